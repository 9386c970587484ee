"""A path that is narrower than the machines at its ends believe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import filters
from provision.faults.fault import Fault, Part, Seen, names_of


@dataclass(frozen=True)
class Mtu(Fault):
    """Larger packets between a machine and others are lost, and nobody is told.

    The interfaces keep their MTU: SSH may run over them.
    """

    kind: ClassVar[str] = "mtu"
    between: ClassVar[bool] = True

    size: int = 1400

    def __post_init__(self) -> None:
        self._ends()
        self._within("size", self.size, 68, 65534)

    def words(self) -> str:
        ends = f"between {self.on} and {names_of(self.others)}"
        return f"packets larger than {self.size} bytes are lost {ends}"

    def places(self) -> tuple[str, ...]:
        return (self.on, *self.others)

    def refusal(self, seen: Seen) -> str:
        return filters.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return filters.part(seen, fault_id, filters.Drop(above=self.size))


def mtu(on: str, *others: str, size: int = 1400) -> Mtu:
    """Lose packets that are larger than `size` bytes."""
    return Mtu(on, others, size=size)
