"""The keys that a login is tried with, in OpenSSH's own order: the agent's, then those of files.

Source: ssh_config(5), IdentityFile, IdentitiesOnly and IdentityAgent.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import paramiko
from paramiko.agent import AgentSSH
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, OnDiskPrivateKey
from paramiko.pkey import PublicBlob

from provision.ssh.endpoint import Endpoint


class Keys(AuthStrategy):
    """Every key that an endpoint allows. `locked` are files that need a passphrase."""

    def __init__(self, end: Endpoint) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._end = end
        self.locked: list[Path] = []
        # At once, while the host gets ready to speak: an RSA key is checked for 50 ms.
        self._read = {file: self._key(file) for file in end.keys if file.is_file()}

    def _key(self, file: Path) -> paramiko.PKey | Literal["locked", "none"]:
        try:
            return paramiko.PKey.from_path(file)
        except (paramiko.PasswordRequiredException, TypeError):
            # The latter is what cryptography says of a passphrase that is missing.
            return "locked"
        except (OSError, ValueError, paramiko.SSHException) as error:
            self.log.warning("key %s: %s", file, error)
            return "none"

    def get_sources(self) -> Iterator[AuthSource]:
        user = self._end.user
        tried: set[bytes] = set()
        with _agent(self._end.agent) as keys:
            named = {_public(file) for file in self._end.keys}
            ours = [key for key in keys if key.asbytes() in named]
            others = [] if self._end.only_keys else [k for k in keys if k not in ours]
            for key in (*ours, *others):
                tried.add(key.asbytes())
                yield InMemoryPrivateKey(user, key)
            for file, read in self._read.items():
                # A public key alone names one that the agent has.
                if _public(file) in tried or read == "none":
                    continue
                if isinstance(read, paramiko.PKey):
                    yield OnDiskPrivateKey(user, "ssh-config", file, read)
                else:
                    self.locked.append(file)


@contextlib.contextmanager
def _agent(path: str) -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """The keys of the agent at a socket; none where it does not answer, as for ssh itself."""
    if not path:
        yield ()
        return
    agent: Any = AgentSSH()
    try:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(30)
        link.connect(path)
        # paramiko.Agent does the same, but only with the socket of the environment.
        agent._connect(link)
    except (OSError, paramiko.SSHException):
        yield ()
        return
    try:
        yield agent.get_keys()
    finally:
        agent._close()


def _public(file: Path) -> bytes:
    """The public half that lies beside a private key, b"" where none does."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = file.with_name(f"{file.name}.pub").read_text(encoding="utf-8")
        return bytes(PublicBlob.from_string(text).key_blob)
    return b""
