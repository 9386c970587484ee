"""Pings from inside a container."""

from __future__ import annotations

import shlex
from typing import Any

import jc
from jc.exceptions import ParseError

from provision.machine.machine import Result
from scenarios.record.model import Ping


def ping_command(container: str, target: str, count: int = 3) -> str:
    """A ping from inside a container: the book's, with an end (`-c`) and limits (`-w`, `-W`).

    Without -W, busybox waits ten seconds more for a last answer that does not come.
    """
    return f"docker exec {shlex.quote(container)} ping -c {count} -w 8 -W 4 {shlex.quote(target)}"


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
