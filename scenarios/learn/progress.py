"""How far somebody has come who types an exercise by hand: kept between commands, in the state.

A step that was seen done stays done, with the time and what was seen: later steps take things away
again. It is of one swarm, and void in another.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shutil import rmtree

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provision.support.files import write_atomic
from scenarios.kit.setup import now
from scenarios.record import model


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Done(_Data):
    """A step that was seen done."""

    at: str = Field(description="when it was seen, ISO 8601 in UTC")
    step: model.Step = Field(description="what was seen, as a run records it")


class Hinted(_Data):
    """How many hints were given for a step; `about` is the mistake's name, "" for none."""

    about: str
    stage: int


class Progress(_Data):
    """Of one exercise. `called` has the learner's own names, by the exercise's; `begun` tells this
    attempt from one before a reset; `before` has the ids of all services, networks and containers
    that were there at its first look."""

    scenario: str
    swarm: str
    begun: str = Field(description="ISO 8601 in UTC; no two attempts begin at once")
    done: dict[str, Done] = {}
    names: dict[str, str] = {}
    called: dict[str, str] = {}
    hints: dict[str, Hinted] = {}
    topology: model.Topology = model.Topology(hosts=[])
    before: list[str] | None = None
    reported: bool = False

    def is_done(self, number: str) -> bool:
        return number in self.done


class Kept:
    """The file of one exercise's progress, which several commands may use at once."""

    def __init__(self, folder: Path, scenario: str, swarm: str) -> None:
        self.folder = folder
        self._scenario, self._swarm = scenario, swarm
        self._file = folder / "progress.json"

    def load(self) -> Progress:
        """What is kept of the exercise in this swarm; a new attempt where there is nothing."""
        return self._there() or Progress(scenario=self._scenario, swarm=self._swarm, begun=now())

    def _there(self) -> Progress | None:
        with suppress(OSError, ValueError, ValidationError):
            kept = Progress.model_validate_json(self._file.read_text(encoding="utf-8"))
            if (kept.scenario, kept.swarm) == (self._scenario, self._swarm):
                return kept
        return None

    def save(self, mine: Progress, new: bool = False, hinted: str = "") -> Progress:
        """Keep it, with what another command has seen meanwhile; what is kept then.

        After a reset in another command nothing of the attempt before is kept, unless it is `new`.
        Of the hints given, only that for the step `hinted` is this command's own.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "progress.lock"):
            there = self._there()
            if there and there.begun == mine.begun:
                mine.done = {**mine.done, **there.done}
                hints = {**there.hints, **({hinted: mine.hints[hinted]} if hinted else {})}
                mine.hints = {n: hint for n, hint in hints.items() if n not in mine.done}
            elif not new:
                return self.load()
            write_atomic(self._file, mine.model_dump_json(indent=1) + "\n")
            return mine

    def reset(self) -> None:
        """Forget how far the exercise has come; the lab is not touched."""
        with suppress(FileNotFoundError):
            rmtree(self.folder)
