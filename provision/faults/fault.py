"""What a fault is: where it is made, what it needs of a machine, how it is made and healed.

A fault has a part for each machine on which something is done. What makes and what heals a part is
shell text that root runs and that can be run twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from provision.support.errors import UserError

DEFAULT_SECONDS = 60
MOST_SECONDS = 3600
# On the machine: what heals its faults, and what has to be kept for that. A reboot empties it, and
# heals what it has.
FOLDER = "/run/swarmrig-faults"
# The same for a fault that a reboot does not heal: it can still be healed after one.
LASTING = "/var/lib/swarmrig-faults"


@dataclass(frozen=True)
class Seen:
    """What a machine is, as far as faults depend on it; nothing was changed to see it.

    `address` is the machine's own on the underlay, `peers` has those of the machines at the other
    end of the fault, `ssh` the TCP ports of SSH that no fault may touch. `existing` says whether
    the host was there before the lab.
    """

    machine: str
    lab: str
    address: str
    peers: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ("22",)
    device: str = ""
    existing: bool = False
    timer: str = ""  # "systemd", "setsid", or "" where there is neither
    packet_filter: str = ""  # "nft", "iptables" or ""
    container: bool = False
    docker: bool = False  # whether systemd runs Docker's daemon
    # Containers that run on an existing host and are no tasks of the swarm: somebody else's. Only
    # looked for where a fault stops containers.
    containers: tuple[str, ...] = ()
    tools: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True)
class Part:
    """What is done on one machine.

    `before` has what has to be kept until it is healed, and is run when the healing is armed.
    `trial` does the same as `make` in a network namespace of its own: what the kernel lacks shows
    there. `there` succeeds while the fault is there, whoever has repaired it; it changes nothing,
    and is "" where it has not been written.
    """

    make: str
    heal: str
    before: str = ""
    trial: str = ""
    there: str = ""


@dataclass(frozen=True)
class Fault(ABC):
    """A fault on the machine `on`, towards the machines `others` (none given: all the others)."""

    on: str
    others: tuple[str, ...] = ()

    kind: ClassVar[str]
    between: ClassVar[bool] = False  # whether it lies between machines, rather than on one
    waits: ClassVar[bool] = False  # whether nobody can heal it before its time is over
    lasting: ClassVar[bool] = False  # whether it outlives a reboot of the machines of its places
    stops: ClassVar[bool] = False  # whether containers stop by it, or when it heals
    own: ClassVar[bool] = False  # whether nothing suffers from it but the service that it names

    @abstractmethod
    def words(self) -> str:
        """The fault in words, for people."""

    def places(self) -> tuple[str, ...]:
        """The machines on which something is done."""
        return (self.on,)

    def towards(self, machine: str) -> tuple[str, ...]:
        """The machines at the other end, seen from one of `places`."""
        return self.others if machine == self.on else (self.on,)

    def refusal(self, seen: Seen) -> str:
        """Why it cannot be made on a machine, in words; "" where it can."""
        return ""

    @abstractmethod
    def part(self, seen: Seen, fault_id: str) -> Part:
        """What is done on one of `places`."""

    def on_lab(self, names: tuple[str, ...]) -> Self:
        """With all the other machines at its other end, where none are named.

        Raises UserError where there is none.
        """
        if not self.between or self.others:
            return self
        others = tuple(name for name in names if name != self.on)
        if not others:
            raise UserError(
                f"{self.kind}: {self.on} is the lab's only machine.",
                "This fault lies between two machines.",
            )
        return replace(self, others=others)

    def named(self, name: Callable[[str], str]) -> Self:
        """With other names for its machines."""
        return replace(self, on=name(self.on), others=tuple(map(name, self.others)))

    def _refuse(self, problem: str, allowed: str) -> None:
        raise UserError(f"fault {self.kind}: given {problem}; allowed: {allowed}")

    def _within(self, what: str, given: float, least: float, most: float) -> None:
        if not least <= given <= most:
            self._refuse(f"{what} {given:g}", f"{least:g} to {most:g}")

    def _ends(self) -> None:
        if self.on in self.others:
            self._refuse(f"{self.on} at both ends", "two machines")


def checked_seconds(seconds: float, most: float = MOST_SECONDS) -> float:
    """How long a fault is to last. Raises UserError."""
    if not 1 <= seconds <= most:
        raise UserError(f"--for: given {seconds:g}; allowed: 1 to {most:g} seconds")
    return seconds


def folder_of(lasting: bool) -> str:
    """Where a machine keeps what heals a fault."""
    return LASTING if lasting else FOLDER


def names_of(others: tuple[str, ...]) -> str:
    """Machines in words."""
    return ", ".join(others) if others else "all the others"
