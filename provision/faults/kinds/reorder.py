"""Packets that overtake each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import shaping
from provision.faults.fault import Fault, Part, Seen, names_of


@dataclass(frozen=True)
class Reorder(Fault):
    """Some of a hundred packets to others overtake the rest, which is `ms` milliseconds late."""

    kind: ClassVar[str] = "reorder"
    between: ClassVar[bool] = True

    percent: float = 25
    ms: int = 20

    def __post_init__(self) -> None:
        self._ends()
        self._within("percent", self.percent, 0.1, 99)
        self._within("ms", self.ms, 1, 10_000)

    def words(self) -> str:
        return (
            f"{self.percent:g} % of what {self.on} sends to {names_of(self.others)} overtakes the "
            f"rest, which is {self.ms} ms late"
        )

    def refusal(self, seen: Seen) -> str:
        return shaping.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return shaping.part(
            seen, fault_id, netem=f"limit 100000 delay {self.ms}ms reorder {self.percent:g}%"
        )


def reorder(on: str, *others: str, percent: float = 25, ms: int = 20) -> Reorder:
    """Let some of what a machine sends overtake the rest."""
    return Reorder(on, others, percent=percent, ms=ms)
