"""Packets that do not leave a machine: its own packet filter drops them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import filters
from provision.faults.fault import Fault, Part, Seen, names_of
from provision.faults.kinds.partition import is_port


@dataclass(frozen=True)
class Mute(Fault):
    """What a machine sends to a `port` of others does not leave it."""

    kind: ClassVar[str] = "mute"
    between: ClassVar[bool] = True

    port: str = "4789/udp"

    def __post_init__(self) -> None:
        self._ends()
        if not is_port(self.port):
            self._refuse(f"port {self.port!r}", "a number, or one with a protocol such as 4789/udp")

    def words(self) -> str:
        return f"what {self.on} sends to port {self.port} of {names_of(self.others)} does not leave"

    def refusal(self, seen: Seen) -> str:
        return filters.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return filters.part(seen, fault_id, filters.Drop(port=self.port, leaving=True))


def mute(on: str, *others: str, port: str = "4789/udp") -> Mute:
    """Drop what a machine sends to a port, where it leaves."""
    return Mute(on, others, port=port)
