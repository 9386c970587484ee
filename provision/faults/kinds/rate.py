"""A slow path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import shaping
from provision.faults.fault import Fault, Part, Seen, names_of


@dataclass(frozen=True)
class Rate(Fault):
    """A machine sends no more than `kbit` kilobits in a second to others."""

    kind: ClassVar[str] = "rate"
    between: ClassVar[bool] = True

    kbit: int = 1000

    def __post_init__(self) -> None:
        self._ends()
        self._within("kbit", self.kbit, 8, 4_000_000)

    def words(self) -> str:
        return f"{self.on} sends no more than {self.kbit} kbit/s to {names_of(self.others)}"

    def refusal(self, seen: Seen) -> str:
        return shaping.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return shaping.part(seen, fault_id, rate=f"{self.kbit}kbit")


def rate(on: str, *others: str, kbit: int = 1000) -> Rate:
    """Limit how fast a machine sends."""
    return Rate(on, others, kbit=kbit)
