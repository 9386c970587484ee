"""The one small protocol behind which machines come from: VMs by Vagrant, or hosts that exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from provision.progress import Progress

MachineState = Literal["absent", "stopped", "paused", "running", "unknown"]


@dataclass(frozen=True)
class Endpoint:
    """How SSH reaches one machine.

    `known_hosts` is where host keys are checked and written down, `also_known` where they are
    only looked up; `alias` is the name under which they stand there, where that is another one
    than the host's. With `trust_first` a host that is in none of them is written down at first
    sight (a VM that we have just made, or `accept-new` in the user's own settings); with `ask`
    a person may say so; else it is refused. `keys` are private key files, `agent` the socket of
    an ssh-agent, of which with `only_keys` just those in `keys` are used. The way leads through
    `jump`, or through the input and output of `proxy_command`, where one is given. `patience` is
    how many seconds a login is tried, `answer` how long each of SSH's answers may take; `client`
    is what the user's own ssh is called with.
    """

    host: str
    port: int
    user: str
    keys: tuple[Path, ...]
    known_hosts: Path
    trust_first: bool
    also_known: tuple[Path, ...] = ()
    alias: str = ""
    ask: bool = False
    agent: str = ""
    only_keys: bool = True
    jump: Endpoint | None = None
    proxy_command: str = ""
    patience: float = 60
    answer: float = 30
    client: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"

    @property
    def key_name(self) -> str:
        """The name that known_hosts files have for it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.alias or (self.host if self.port == 22 else f"[{self.host}]:{self.port}")


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
