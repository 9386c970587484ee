"""The protocols behind which machines come from: VMs by Vagrant, or hosts that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from provision.ssh.endpoint import Endpoint

if TYPE_CHECKING:
    from provision.support.progress import Progress

MachineState = Literal["absent", "stopped", "paused", "running", "unknown"]


class Checkpoints(Protocol):
    """Saved states of all machines of a lab, each known by a name. Methods raise MachineError."""

    def names(self) -> list[str]:
        """The names of the checkpoints that every machine has, oldest first."""

    def save(self, name: str, progress: Progress) -> None:
        """Save all machines, disk and memory, at one moment where the provider can.

        Replaces a checkpoint of that name. The machines keep running afterwards.
        """

    def restore(self, name: str, progress: Progress) -> None:
        """Set all machines back to a checkpoint; they run afterwards."""

    def forget(self, name: str) -> None:
        """Delete a checkpoint on every machine that has it."""


class Provider(Protocol):
    """Where machines come from. Every method can be called twice without harm."""

    @property
    def name(self) -> str:
        """As in lab.toml: "libvirt", "virtualbox", …, "hosts"."""

    def up(self, progress: Progress) -> None:
        """Bring every machine up, from any state that an interruption can leave.

        Raises MachineError that names the machine, the lines that matter, and the log.
        """

    def endpoints(self) -> dict[str, Endpoint]:
        """How SSH reaches each machine, by name. Raises MachineError where one is not up."""

    def states(self) -> dict[str, MachineState]:
        """The state of each machine, quickly: from the provider's own files and lists."""

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        """Remove some machines of a lab that stays; what was removed, verified."""

    def restart(self, names: list[str], progress: Progress) -> None:
        """Stop machines whose CPUs, memory or ports have changed: the next `up` boots them so."""

    def destroy(self, progress: Progress) -> list[str]:
        """Remove all that `up` made, from any state; returns what it removed, verified."""

    def leftovers(self) -> list[str]:
        """What of this lab is still in the provider's own lists, in words; empty when clean."""

    def stays(self) -> list[str]:
        """What `destroy` leaves, since other labs use it too or it was there before; in words."""

    def identities(self) -> dict[str, str]:
        """The provider's identifier of each machine; a recreated machine has a new one."""

    def box(self) -> tuple[str, str] | None:
        """Name and version of the box that the machines were made of; None where there is none."""

    def box_checksum(self) -> str:
        """The checksum of what `box` names, "" where Vagrant's box store tells ("sha256:…")."""

    @property
    def checkpoints(self) -> Checkpoints | None:
        """The lab's checkpoints; None where the provider keeps none."""

    @property
    def no_checkpoints(self) -> str:
        """Why `checkpoints` is None, in words; "" where there are checkpoints."""
