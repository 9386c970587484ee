"""What a ping printed, as data."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.machine.machine import Result
from scenarios.evidence.ping import largest_command, read_ping
from scenarios.record import model

REPLIES = """PING alpine-overlay1 (172.45.0.10): 56 data bytes
64 bytes from 172.45.0.10: seq=0 ttl=64 time=0.314 ms
64 bytes from 172.45.0.10: seq=1 ttl=64 time=0.274 ms

--- alpine-overlay1 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.274/0.290/0.314 ms
"""
SILENCE = """PING alpine-overlay1 (172.45.0.10): 56 data bytes

--- alpine-overlay1 ping statistics ---
2 packets transmitted, 0 packets received, 100% packet loss
"""


def ping(stdout: str) -> model.Ping:
    result = Result("machine1", "ping", stdout, "", 0, "", 0.1)
    return read_ping(result, "t", "alpine-overlay1", "name")


def test_a_ping_is_read() -> None:
    seen = ping(REPLIES)
    assert (seen.address, seen.sent, seen.received) == ("172.45.0.10", 2, 2)
    assert seen.rtts_ms == [0.314, 0.274]


def test_a_ping_without_an_answer_still_tells_what_the_name_is() -> None:
    seen = ping(SILENCE)
    assert (seen.address, seen.sent, seen.received, seen.rtts_ms) == ("172.45.0.10", 2, 0, [])


@pytest.mark.parametrize("text", ["ping: bad address 'x'\n", ""])
def test_a_ping_that_never_began_sent_nothing(text: str) -> None:
    assert (ping(text).sent, ping(text).address) == (0, "")


@pytest.mark.parametrize(("passes", "largest"), [(1400, 1400), (84, 84), (20, 0)])
def test_the_largest_packet_is_found_by_halving_and_none_is_told_as_none(
    passes: int, largest: int, tmp_path: Path
) -> None:
    """A ping whose answers end with a size."""
    size = 'while [ "$1" != -s ]; do shift; done; size=$(($2 + 28))'
    for name, does in {
        "docker": "echo 4711",
        "nsenter": f'[ "$3" = 4711 ] && {size}; [ $size -le {passes} ]',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", largest_command("a task", "172.45.0.10", 1450)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"{largest}\n", "")
