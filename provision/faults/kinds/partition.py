"""Machines that do not hear each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from provision.faults import filters
from provision.faults.fault import Fault, Part, Seen, names_of

_PORT = re.compile(r"([1-9]\d{0,4})(/(tcp|udp))?")


def is_port(text: str) -> bool:
    """Whether this is a port that packets can be told by: "4789/udp", or "7946" with both."""
    found = _PORT.fullmatch(text)
    return bool(found and int(found[1]) <= 65535)


@dataclass(frozen=True)
class Partition(Fault):
    """No packet passes between a machine and others; or none to a `port` such as "4789/udp".

    A port without a protocol, such as "7946", is that of both. With `one_way` only what the machine
    sends is lost, and what the others send arrives.
    """

    kind: ClassVar[str] = "partition"
    between: ClassVar[bool] = True

    port: str = ""
    one_way: bool = False

    def __post_init__(self) -> None:
        self._ends()
        if self.port and not is_port(self.port):
            self._refuse(f"port {self.port!r}", "a number, or one with a protocol such as 4789/udp")

    def words(self) -> str:
        to = f" to port {self.port}" if self.port else ""
        if self.one_way:
            return f"what {self.on} sends{to} does not reach {names_of(self.others)}"
        return f"no packet{to} passes between {self.on} and {names_of(self.others)}"

    def places(self) -> tuple[str, ...]:
        return self.others if self.one_way else (self.on, *self.others)

    def refusal(self, seen: Seen) -> str:
        return filters.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        return filters.part(seen, fault_id, filters.Drop(port=self.port))


def partition(on: str, *others: str, port: str = "", one_way: bool = False) -> Partition:
    """Cut a machine off from others; without others, from all of them."""
    return Partition(on, others, port=port, one_way=one_way)
