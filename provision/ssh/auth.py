"""The keys that a login is tried with, in OpenSSH's own order: the agent's, then those of files.

A certificate of a key is tried before the key alone, as ssh does it.
Source: ssh_config(5), IdentityFile, CertificateFile, IdentitiesOnly and IdentityAgent.
"""

from __future__ import annotations

import contextlib
import copy
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import paramiko
from paramiko.agent import AgentSSH
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, OnDiskPrivateKey
from paramiko.pkey import PublicBlob

from provision.ssh.endpoint import Endpoint

# What a named pipe of Windows begins with; it is opened like a file, and there is no AF_UNIX.
_PIPE = "\\\\.\\pipe\\"
_CERTIFICATE = "-cert-v01@openssh.com"


class Keys(AuthStrategy):
    """Every key that an endpoint allows. `locked` are files that need a passphrase."""

    def __init__(self, end: Endpoint) -> None:
        super().__init__(ssh_config=paramiko.SSHConfig())
        self._end = end
        self.locked: list[Path] = []
        self._certificates = [blob for file in end.certificates if (blob := _read_public(file))]
        # At once, while the host gets ready to speak: an RSA key is checked for 50 ms.
        self._read = {file: self._key(file) for file in end.keys if file.is_file()}

    def _key(self, file: Path) -> paramiko.PKey | Literal["locked", "none"]:
        try:
            key = paramiko.PKey.from_path(file)
        except (paramiko.PasswordRequiredException, TypeError):
            # The latter is what cryptography says of a passphrase that is missing.
            return "locked"
        except (OSError, ValueError, paramiko.SSHException) as error:
            self.log.warning("key %s: %s", file, error)
            return "none"
        # Whether FILE-cert.pub is used, and when, is decided in `_of_file`.
        key.public_blob = None
        return key

    def get_sources(self) -> Iterator[AuthSource]:
        user = self._end.user
        tried: set[bytes] = set()
        with _agent(self._end.agent) as keys:
            named = {_public(file) for file in self._end.keys}
            ours = [key for key in keys if key.asbytes() in named]
            others = [] if self._end.only_keys else [k for k in keys if k not in ours]
            for key in (*ours, *others):
                tried.add(key.asbytes())
                yield from self._certified(key, keys)
                yield InMemoryPrivateKey(user, key)
            for file, read in self._read.items():
                # A public key alone names one that the agent has.
                if _public(file) in tried or read == "none":
                    continue
                if isinstance(read, paramiko.PKey):
                    yield from self._of_file(file, read)
                else:
                    self.locked.append(file)

    def _certified(
        self, key: paramiko.AgentKey, keys: tuple[paramiko.AgentKey, ...]
    ) -> Iterator[AuthSource]:
        """A key of the agent with each certificate of it that lies in a file."""
        there = {one.asbytes() for one in keys}
        for blob in self._certificates:
            if _key_of(blob) == key.asbytes() and blob.key_blob not in there:
                certified = paramiko.AgentKey(key.agent, key.blob, key.comment)
                certified.public_blob = blob  # type: ignore[assignment]
                yield InMemoryPrivateKey(self._end.user, certified)

    def _of_file(self, file: Path, key: paramiko.PKey) -> Iterator[AuthSource]:
        beside = _read_public(file.with_name(f"{file.name}-cert.pub"))
        for blob in [*([beside] if beside else []), *self._certificates]:
            if _key_of(blob) == key.asbytes():
                certified = copy.copy(key)
                certified.public_blob = blob
                yield OnDiskPrivateKey(self._end.user, "ssh-config", file, certified)
        yield OnDiskPrivateKey(self._end.user, "ssh-config", file, key)


class _Pipe:
    """A named pipe of Windows, as far as paramiko uses a socket.

    Source: OpenSSHAgentConnection of paramiko/win_openssh.py, which knows one pipe alone.
    """

    def __init__(self, path: str) -> None:
        self._pipe = Path(path).open("r+b", buffering=0)  # noqa: SIM115 - closed by close()

    def send(self, data: bytes) -> int:
        return self._pipe.write(data) or 0

    def recv(self, size: int) -> bytes:
        return self._pipe.read(size) or b""

    def close(self) -> None:
        self._pipe.close()


@contextlib.contextmanager
def _agent(path: str) -> Iterator[tuple[paramiko.AgentKey, ...]]:
    """The keys of the agent at a socket; none where it does not answer, as for ssh itself."""
    if not path:
        yield ()
        return
    agent: Any = AgentSSH()
    try:
        # paramiko.Agent does the same, but only with the socket of the environment.
        agent._connect(_dial(path))
    except (OSError, paramiko.SSHException):
        yield ()
        return
    try:
        yield agent.get_keys()
    finally:
        agent._close()


def _dial(path: str) -> _Pipe | socket.socket:
    """The way to an agent. Raises OSError, also where this system has no such sockets."""
    if path.startswith(_PIPE):
        return _Pipe(path)
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(f"this Python has no Unix sockets: {path}")
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(30)
    link.connect(path)
    return link


def _public(file: Path) -> bytes:
    """The public half that lies beside a private key, b"" where none does."""
    blob = _read_public(file.with_name(f"{file.name}.pub"))
    return bytes(blob.key_blob) if blob else b""


def _read_public(file: Path) -> PublicBlob | None:
    """A public key or a certificate of a file; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return PublicBlob.from_string(file.read_text(encoding="utf-8"))
    return None


def _key_of(certificate: PublicBlob) -> bytes:
    """The public key that a certificate is about, in the form of `PKey.asbytes`.

    Source: PROTOCOL.certkeys of OpenSSH: type, nonce, then the key's own fields.
    """
    kind = certificate.key_type.removesuffix(_CERTIFICATE)
    fields = {"ssh-ed25519": 1, "ssh-rsa": 2}.get(kind, 2 if kind.startswith("ecdsa-") else 0)
    message = paramiko.Message(certificate.key_blob)
    message.get_string()
    message.get_string()
    key = paramiko.Message()
    key.add_string(kind)
    for _ in range(fields):
        key.add_string(message.get_string())
    return bytes(key.asbytes()) if fields else b""
