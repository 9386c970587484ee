"""How SSH reaches one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Endpoint:
    """How SSH reaches one machine.

    `known_hosts` is where host keys are checked and written down, `also_known` where they are only
    looked up; `alias` is the name under which they stand there, where that is another one than
    the host's. With `trust_first` a host that is in none of them is written down at first
    sight (a VM that we have just made, or `accept-new` in the user's own settings); with `ask`
    a person may say so; else it is refused. `keys` are private key files, `agent` the socket
    of an ssh-agent, of which with `only_keys` just those in `keys` are used; `certificates`
    are files of certificates of those keys. The way leads through `jump`, or through the input
    and output of `proxy_command`, where one is given. `patience` is how many seconds a login
    is tried, `answer` how long each of SSH's answers may take; `client` is what the user's own
    ssh is called with.
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
    certificates: tuple[Path, ...] = ()
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


def for_looking(ends: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    """The same ways for a verb that only looks: it writes down no host key of the lab's machines.

    While another verb creates them again, the port of one may lead to another, whose key would
    be taken for the first one's from then on. Hosts that exist keep what the user's settings say.
    """
    return {
        name: end if end.client else replace(end, trust_first=False) for name, end in ends.items()
    }
