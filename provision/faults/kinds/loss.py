"""Packets that are lost at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import filters
from provision.faults.fault import Fault, Part, Seen, names_of


@dataclass(frozen=True)
class Loss(Fault):
    """Some of a hundred packets that a machine sends to others are lost."""

    kind: ClassVar[str] = "loss"
    between: ClassVar[bool] = True

    percent: float = 30

    def __post_init__(self) -> None:
        self._ends()
        self._within("percent", self.percent, 0.1, 100)

    def words(self) -> str:
        return f"{self.percent:g} % of what {self.on} sends to {names_of(self.others)} is lost"

    def places(self) -> tuple[str, ...]:
        return self.others

    def refusal(self, seen: Seen) -> str:
        return filters.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return filters.part(seen, fault_id, filters.Drop(percent=self.percent))


def loss(on: str, *others: str, percent: float = 30) -> Loss:
    """Lose some of what a machine sends."""
    return Loss(on, others, percent=percent)
