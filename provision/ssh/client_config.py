"""The user's own SSH settings, as their own ssh client reads them (`ssh -G`).

So whatever may stand in ~/.ssh/config (Include, Match, patterns, tokens) means here what it means
there, and `inv ssh` goes the same way as everything else.
Source: ssh(1), -G; ssh_config(5).
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from provision.ssh.endpoint import Endpoint
from provision.support.errors import MachineError, UserError

# A host that exists runs already: what does not answer soon does not answer.
PATIENCE = 5.0
ANSWER = 15.0
_MOST_HOPS = 8
_HARMLESS = re.compile(r"[\w.:@%+-]+")


@dataclass(frozen=True)
class Target:
    """Whom to reach: `host` is a name, an alias of the user's, or an address; the rest overrides.

    `jump` is as for ssh's -J: hops such as "ops@bastion:2222", separated by commas. `config`
    stands in for ~/.ssh/config (and the system's own), as for ssh's -F.
    """

    host: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    jump: str | None = None
    config: Path | None = None

    @property
    def client(self) -> tuple[str, ...]:
        """The arguments that send the user's own ssh client there."""
        words: list[str] = []
        if self.config:
            words += ["-F", str(self.config)]
        if self.port:
            words += ["-p", str(self.port)]
        if self.user:
            words += ["-l", self.user]
        if self.key:
            words += ["-i", str(self.key), "-o", "IdentitiesOnly=yes"]
        if self.jump:
            words += ["-J", self.jump]
        return (*words, "--", self.host)


def client_of(end: Endpoint) -> list[str]:
    """What the user's own ssh is called with to go where an endpoint leads."""
    if end.client:
        return list(end.client)
    words = ["-F", "none", "-p", str(end.port), "-l", end.user, "-o"]
    words += [f"UserKnownHostsFile={quoted(end.known_hosts)}", "-o", "IdentitiesOnly=yes"]
    if end.alias:
        words += ["-o", f"HostKeyAlias={end.alias}"]
    words += ["-o", f"StrictHostKeyChecking={'accept-new' if end.trust_first else 'yes'}"]
    for key in end.keys:
        # Not -i: of what it is given, the file's name is asked for before % is read as a token.
        words += ["-o", f"IdentityFile={quoted(key)}"]
    return [*words, "--", end.host]


def quoted(file: Path) -> str:
    """A file's path as OpenSSH's settings take it: blanks, quotes and % as they are.

    Source: ssh_config(5), and argv_split in misc.c of OpenSSH (since 8.7; before, a path could have
    no quotes, and Windows takes two backslashes for one).
    """
    text = str(file).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def resolve(target: Target, trust_new: bool = False) -> Endpoint:
    """How SSH reaches a host, every jump host included.

    With `trust_new` a host that is not known yet is written down at first sight. Raises UserError
    where there is no ssh client, or where it does not understand the settings.
    """
    return _resolve(target, trust_new, _MOST_HOPS)


def _resolve(target: Target, trust_new: bool, depth: int) -> Endpoint:
    if depth == 0:
        raise UserError(
            f"{target.host}: more than {_MOST_HOPS} jump hosts, or a ring of them.",
            "Look at ProxyJump in your SSH settings.",
        )
    said = _ask(target)
    user, host = said["user"][0], said["hostname"][0]
    strict = said.get("stricthostkeychecking", ["ask"])[0]
    known = [
        Path(word).expanduser()
        for key in ("userknownhostsfile", "globalknownhostsfile")
        for word in said.get(key, [""])[0].split()
        if word != "none"
    ]
    tokens = {
        "%%": "%",
        "%d": str(Path.home()),
        "%h": host,
        "%n": target.host,
        "%p": said["port"][0],
        "%r": user,
        "%u": _login(),
        "%l": socket.gethostname(),
    }
    files, certificates = (
        [Path(_fill(word, tokens)).expanduser() for word in said.get(key, [])]
        for key in ("identityfile", "certificatefile")
    )
    return Endpoint(
        host=host,
        port=int(said["port"][0]),
        user=user,
        keys=tuple(file for file in files if file.is_file() or file.with_suffix(".pub").is_file()),
        known_hosts=known[0] if known else Path.home() / ".ssh" / "known_hosts",
        also_known=tuple(known[1:]),
        trust_first=trust_new or strict in {"accept-new", "no", "off", "false"},
        ask=strict == "ask",
        alias=said.get("hostkeyalias", [""])[0],
        agent=_agent(said),
        certificates=tuple(file for file in certificates if file.is_file()),
        only_keys=said.get("identitiesonly", ["no"])[0] == "yes",
        jump=_hops(target, said.get("proxyjump", [""])[0], trust_new, depth),
        proxy_command=_proxy(said, tokens),
        patience=PATIENCE,
        answer=ANSWER,
        client=target.client,
    )


def _ask(target: Target) -> dict[str, list[str]]:
    try:
        done = subprocess.run(
            ["ssh", "-G", *target.client],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            timeout=30,
        )
    except OSError as error:
        raise UserError(
            f"The ssh client cannot be run: {error.strerror}",
            "Install OpenSSH's client: hosts that exist are reached by its settings.",
        ) from None
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"{target.host}: ssh did not read its settings within 30 s.",
            "Does a `Match exec` in your SSH settings hang?",
        ) from None
    if done.returncode != 0:
        raise UserError(
            f"{target.host}: ssh does not take its settings: {done.stderr.strip()}",
            "Fix lab.toml, or your ~/.ssh/config.",
        )
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(value)
    return said


def _hops(target: Target, spec: str, trust_new: bool, depth: int) -> Endpoint | None:
    """The last of the jump hosts, with those before it behind it.

    The first one is reached by its own settings, each further one through the one before.
    """
    if not spec or spec == "none":
        return None
    *before, last = spec.split(",")
    user, at, place = last.removeprefix("ssh://").rstrip("/").rpartition("@")
    name, port = _split_port(place)
    hop = Target(
        host=name,
        user=user if at else None,
        port=port,
        jump=",".join(before) or None,
        config=target.config,
    )
    return _resolve(hop, trust_new, depth - 1)


def _split_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        name, _, port = place[1:].partition("]")
        return name, int(port[1:]) if port else None
    name, colon, port = place.rpartition(":")
    return (name, int(port)) if colon and ":" not in name else (place, None)


def _proxy(said: dict[str, list[str]], tokens: dict[str, str]) -> str:
    command = said.get("proxycommand", [""])[0]
    if command in {"", "none"}:
        return ""
    # A shell reads it, and these come from lab.toml.
    for value in (tokens["%h"], tokens["%n"], tokens["%r"]):
        if not _HARMLESS.fullmatch(value):
            raise UserError(
                f"{value!r} cannot stand in a ProxyCommand.",
                "Allowed in a host's and a user's name: letters, digits and . _ : @ % + -",
            )
    return _fill(command, tokens)


def _fill(text: str, tokens: dict[str, str]) -> str:
    filled, rest = "", text
    while rest:
        if rest[:2] in tokens:
            filled, rest = filled + tokens[rest[:2]], rest[2:]
        else:
            filled, rest = filled + rest[0], rest[1:]
    return filled


def _agent(said: dict[str, list[str]]) -> str:
    agent = said.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if agent == "none":
        return ""
    if agent == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "") or _default_agent()
    if agent.startswith("$"):
        return os.environ.get(agent.strip("${}"), "")
    return str(Path(agent).expanduser())


def _default_agent() -> str:
    """Where the agent listens if no variable says so: on Windows at a pipe, elsewhere nowhere.

    Source: https://github.com/PowerShell/openssh-portable, authfd.c of Win32-OpenSSH.
    """
    return r"\\.\pipe\openssh-ssh-agent" if sys.platform == "win32" else ""


def _login() -> str:
    import getpass  # noqa: PLC0415 - one of many tokens, seldom there

    return getpass.getuser()
