"""Engines that a fault keeps from answering, in an exercise about it: looked at all the same.

What such an engine said before is kept in the exercise's state; everything else of its machine can
still be asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.files import write_atomic
from scenarios.kit.setup import Answered

# Of `docker info`: what an exercise needs of an engine that it does not ask.
_KEYS = ("Name", "ServerVersion", "OperatingSystem", "KernelVersion", "Swarm")


class Silent:
    """A machine whose engine is not asked, for it would not answer."""

    def __init__(self, machine: Machine, why: str) -> None:
        self._machine, self._why = machine, why

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def __str__(self) -> str:
        return self._machine.name

    @property
    def docker(self) -> NoReturn:
        """Raises MachineError with the fault."""
        raise MachineError(f"{self._machine.name}: its engine does not answer: {self._why}")


def silent(machine: Machine, why: str) -> Machine:
    """The machine, without its engine."""
    return cast("Machine", Silent(machine, why))


def is_silent(machine: Machine) -> bool:
    return isinstance(machine, Silent)


class Before:
    """What engines said before a fault silenced them, in a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "engines.json"

    def keep(self, answers: Mapping[str, Answered]) -> None:
        """Keep what all engines say, while all of them do."""
        kept = {
            name: {"info": {key: one.info.get(key) for key in _KEYS}, "api": one.api}
            for name, one in answers.items()
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, json.dumps(kept) + "\n")

    def of(self, silenced: Mapping[str, str]) -> dict[str, Answered]:
        """What the silenced engines said. Raises MachineError where they were never heard."""
        kept: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        for name, why in silenced.items():
            if name not in kept:
                raise MachineError(
                    f"{name}: its engine does not answer, and was not looked at before: {why}",
                    "Heal it, look once, and make the fault again: inv fault.heal",
                )
        return {name: Answered(kept[name]["info"], kept[name]["api"]) for name in silenced}


def seen_as(machines: Mapping[str, Machine], why: Callable[[str], str]) -> dict[str, Machine]:
    """The machines by place; those whose name gives a reason without their engine."""
    return {
        place: silent(one, reason) if (reason := why(one.name)) else one
        for place, one in machines.items()
    }
