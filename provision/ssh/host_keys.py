"""Host keys, checked as OpenSSH checks them: known, unknown, changed or revoked.

Paramiko's own check knows neither patterns, HostKeyAlias, @revoked nor several files, and takes a
host whose known key is of another type for an unknown one. ssh-keygen reads the files instead.
Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT; ssh_config(5), StrictHostKeyChecking.
"""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import paramiko

from provision.ssh.endpoint import Endpoint
from provision.ssh.transport import Transport
from provision.support.errors import MachineError

_FOUND = re.compile(r"^# Host .* found: line (\d+) ?(CA|REVOKED)?")
# An RSA key signs by either of these; "ssh-rsa" as a signature is SHA-1, which nobody takes.
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_writing = threading.Lock()


@dataclass(frozen=True)
class Known:
    """One line of a known_hosts file that speaks of a host. `text` is the key in base64."""

    file: Path
    line: int
    kind: str
    text: str
    revoked: bool = False

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


class HostKeyError(MachineError):
    """A host key that is not accepted."""


class UnknownHostKey(HostKeyError):
    """A host shows a key, and no known_hosts file has one for it."""

    def __init__(self, end: Endpoint, key: paramiko.PKey) -> None:
        self.end = end
        self.key = key
        command = shlex.join(("ssh", *end.client, "true"))
        super().__init__(
            f"{end.host} shows a host key that is not known yet: "
            f"{key.get_name()} {key.fingerprint}",
            f"Compare it with the host's own, then let ssh write it down: {command}",
        )


def lookup(end: Endpoint) -> list[Known]:
    """What the known_hosts files say of a host; a certificate authority's lines are left out."""
    found: list[Known] = []
    for file in (end.known_hosts, *end.also_known):
        if not file.is_file():
            continue
        said = subprocess.run(
            ["ssh-keygen", "-F", end.key_name, "-f", str(file)],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=20,
        ).stdout.splitlines()
        for heading, entry in itertools.pairwise(said):
            match = _FOUND.match(heading)
            words = entry.split()
            if not match or match[2] == "CA" or len(words) < 3:
                continue
            kind, text = words[2:4] if match[2] else words[1:3]
            found.append(Known(file, int(match[1]), kind, text, revoked=bool(match[2])))
    return found


def check(end: Endpoint, key: paramiko.PKey, known: list[Known]) -> None:
    """Accept a host's key, or raise.

    UnknownHostKey for a host of which nothing is known; HostKeyError, with file and line, for a
    key that is revoked or another one than is known, which nothing makes acceptable.
    """
    ours = (key.get_name(), key.get_base64())
    for entry in known:
        if entry.revoked and (entry.kind, entry.text) == ours:
            raise HostKeyError(
                f"{end.host} shows a host key that is revoked at {entry.where}.",
                "Somebody may stand between you and the host: do not go on.",
            )
    valid = [entry for entry in known if not entry.revoked]
    if any((entry.kind, entry.text) == ours for entry in valid):
        return
    if not valid:
        raise UnknownHostKey(end, key)
    places = ", ".join(f"{entry.where} ({entry.kind})" for entry in valid)
    raise HostKeyError(
        f"{end.host} shows another host key than the one that is known: "
        f"{key.get_name()} {key.fingerprint}; known is {places}.",
        "If the host was recreated, remove that line (ssh-keygen -R "
        f"{shlex.quote(end.key_name)}); else somebody may stand between you and it.",
    )


def write_down(end: Endpoint, key: paramiko.PKey) -> None:
    """Add a host's key to its known_hosts file. Raises OSError where that cannot be written."""
    line = f"{end.key_name} {key.get_name()} {key.get_base64()}\n"
    with _writing:
        end.known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with end.known_hosts.open("a+", encoding="utf-8") as file:
            file.seek(0)
            there = file.read()
            if line not in there:
                # A hand-edited file may lack its last line's end.
                file.write(line if there.endswith("\n") or not there else f"\n{line}")


class Judge(paramiko.MissingHostKeyPolicy):
    """Paramiko asks it for every key, since it is given no known hosts of its own."""

    def __init__(self, end: Endpoint, known: list[Known]) -> None:
        self._end = end
        self._known = known

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        try:
            check(self._end, key, self._known)
        except UnknownHostKey:
            if not self._end.trust_first:
                raise
            write_down(self._end, key)


def preferring(known: list[Known]) -> type[Transport]:
    """A transport that asks the host first for the types of key that are known of it."""
    kinds = [
        name for entry in known if not entry.revoked for name in _SIGNATURES.get(entry.kind, ())
    ] + [entry.kind for entry in known if not entry.revoked and entry.kind not in _SIGNATURES]

    class Preferring(Transport):
        def __init__(self, *args: object, **settings: object) -> None:
            super().__init__(*args, **settings)
            options = self.get_security_options()
            offered = list(options.key_types)
            first = [kind for kind in dict.fromkeys(kinds) if kind in offered]
            options.key_types = [*first, *(kind for kind in offered if kind not in first)]

    return Preferring
