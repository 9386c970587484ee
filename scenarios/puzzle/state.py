"""The puzzle that is on, as it is kept in the state folder: written before anything is planted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from provision.support.errors import MachineError
from provision.support.files import write_atomic


class Answer(BaseModel):
    """An answer that was given, and which parts of it are right."""

    model_config = ConfigDict(extra="forbid")

    machine: str
    layer: str
    machine_right: bool
    layer_right: bool

    @property
    def right(self) -> bool:
        return self.machine_right and self.layer_right


class State(BaseModel):
    """Of one puzzle. `place` is where the fault is ("machine2"), "" where on no machine.

    `names` fill in what is said of it; `ids` are those of its faults; `there` has, by machine, what
    tells whether the fault is still there. Times are ISO 8601 in UTC, "" for what has not happened.
    """

    model_config = ConfigDict(extra="forbid")

    number: int
    seed: str
    place: str
    phase: Literal["building", "planting", "on", "over"] = "building"
    names: dict[str, str] = {}
    ids: list[str] = []
    there: dict[str, str] = {}
    observed: list[str] = []
    begun: str = ""
    end: str = ""
    answers: list[Answer] = []
    hints: int = 0
    repaired: str = ""

    @property
    def answered(self) -> bool:
        return any(answer.right for answer in self.answers)

    @property
    def left(self) -> int:
        """Seconds until the fault heals by itself; 0 where it has, or was not planted."""
        if not self.end:
            return 0
        return max(0, round((datetime.fromisoformat(self.end) - datetime.now(UTC)).total_seconds()))


class Kept:
    """The file of the puzzle that is on."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def load(self) -> State | None:
        """The puzzle that is on; None where there is none. Raises MachineError."""
        try:
            return State.model_validate_json(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, ValidationError, OSError) as error:
            raise MachineError(
                f"{self.file} cannot be read: {str(error).splitlines()[0]}",
                "End the puzzle: inv puzzle.stop",
            ) from None

    def save(self, state: State) -> State:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.file, state.model_dump_json(indent=1) + "\n", mode=0o600)
        return state

    def change(self, change: Callable[[State], None]) -> State | None:
        """Change what is kept, past what other commands change meanwhile; what is kept then."""
        with FileLock(self.file.with_suffix(".lock")):
            state = self.load()
            if state:
                change(state)
                self.save(state)
            return state

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)
        self.file.with_suffix(".lock").unlink(missing_ok=True)
