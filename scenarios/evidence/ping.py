"""Pings from inside a container."""

from __future__ import annotations

import re
import shlex
from typing import Any

import jc
from jc.exceptions import ParseError

from provision.machine.machine import Result
from scenarios.record.model import Ping

NOT_FOUND = 127  # a shell's exit code for a command that does not exist
_HEADERS = 28  # bytes of an IPv4 header and an ICMP one
_UNKNOWN = re.compile(r"bad address|not known|unknown host|failure in name resolution")
_SMALLEST = 84  # bytes of a ping's IP packet without further words


def ping_command(
    container: str, target: str, count: int = 3, size: int = _SMALLEST, wait: int = 4
) -> str:
    """A ping from inside a container: the book's, with an end (`-c`) and limits (`-w`, `-W`).

    `wait` is how long (seconds) a last answer is waited for. Without it busybox waits ten seconds.
    """
    sized = "" if size == _SMALLEST else f"-s {size - _HEADERS} "
    ping = f"ping -c {count} -w 8 -W {wait} {sized}{shlex.quote(target)}"
    return f"docker exec {shlex.quote(container)} {ping}"


def full_size_command(container: str, target: str, size: int) -> str:
    """The machine's own ping in a container's network: `size` bytes, and DF set (`-M do`)."""
    ping = f"ping -n -M do -c 3 -i 0.3 -W 2 -s {size - _HEADERS} {shlex.quote(target)}"
    return f"{inside(container)} {ping}"


def largest_command(container: str, target: str, size: int) -> str:
    """Print the largest size below `size` that is answered, found by halving; 0 where none is.

    Of two pings one may be lost by chance.
    """
    ping = f'nsenter -n -t "$pid" ping -n -M do -c 2 -i 0.3 -W 2 -s $(($1 - {_HEADERS}))'
    return (
        f"pid={_pid(container)}; fits() {{ {ping} {shlex.quote(target)} >/dev/null 2>&1; }}; "
        f"low={_SMALLEST}; high={size}; fits $low || {{ low=0; high=1; }}; "
        "while [ $((high - low)) -gt 1 ]; do mid=$(((low + high) / 2)); "
        "if fits $mid; then low=$mid; else high=$mid; fi; done; echo $low"
    )


def inside(container: str) -> str:
    """What runs a command of the machine in a container's network namespace."""
    return f"nsenter -n -t {_pid(container)}"


def _pid(container: str) -> str:
    """The shell's word for the id of the container's first process."""
    ask = "docker inspect -f '{{.State.Pid}}' " + shlex.quote(container)
    return f'"$({ask})"'


def unknown(said: str) -> bool:
    """Whether a ping's output says that its target's name is nobody's: busybox, iputils."""
    return bool(_UNKNOWN.search(said))


def read_ping(result: Result, task: str, target: str, kind: Any) -> Ping:
    """What a ping's output says; round-trip times in milliseconds, one for each reply."""
    try:
        parsed: Any = jc.parse("ping", result.stdout, quiet=True) or {}
    except (IndexError, ValueError, ParseError):
        # "ping: bad address": there is nothing to read, and the transcript has the words.
        parsed = {}
    replies = [r for r in parsed.get("responses", []) if r.get("type") == "reply"]
    return Ping(
        source_machine=result.machine,
        source_task=task,
        target=target,
        address=str(parsed.get("destination_ip") or ""),
        kind=kind,
        sent=int(parsed.get("packets_transmitted") or 0),
        received=int(parsed.get("packets_received") or 0),
        rtts_ms=[float(r["time_ms"]) for r in replies if r.get("time_ms") is not None],
    )
