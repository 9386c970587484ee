"""The one small protocol behind which machines come from: VMs by Vagrant, or hosts that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from provision.ssh.endpoint import Endpoint

if TYPE_CHECKING:
    from provision.support.progress import Progress

MachineState = Literal["absent", "stopped", "paused", "running", "unknown"]


class Provider(Protocol):
    """Where machines come from. Every verb is safe to say twice."""

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
        """Stop machines whose CPUs or memory have changed: the next `up` boots them with those."""

    def destroy(self, progress: Progress) -> list[str]:
        """Remove all that `up` made, from any state; says what it removed, verified."""

    def leftovers(self) -> list[str]:
        """What of this lab is still in the provider's own lists, in words; empty when clean."""

    def identities(self) -> dict[str, str]:
        """What the provider calls each machine: another word after it was made anew."""

    def box(self) -> tuple[str, str] | None:
        """Name and version of the box that the machines were made of; None where there is none."""

    # -- checkpoints --------------------------------------------------------------------------

    def no_checkpoints(self) -> str:
        """Why no checkpoints can be kept here, in words; "" where they can."""

    def checkpoints(self) -> list[str]:
        """The names of the checkpoints that every machine has, oldest first."""

    def save(self, name: str, progress: Progress) -> None:
        """Keep the state of all machines, disk and memory, of one moment where that can be had.

        One of that name is replaced. The machines run on afterwards. Raises MachineError.
        """

    def restore(self, name: str, progress: Progress) -> None:
        """All machines as they were at a checkpoint, running. Raises MachineError."""

    def forget(self, name: str) -> None:
        """Delete a checkpoint on every machine that has it. Raises MachineError."""
