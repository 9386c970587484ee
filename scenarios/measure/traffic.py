"""What is sent between two containers: pings, and TCP by iperf3; and what the CPUs did meanwhile.

Both programs are the machine's own, in the container's network namespace: the image needs neither.
Sources: iperf3(1), proc_stat(5).
"""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.evidence.ping import read_ping

PINGS = 20
_TICKS = 100  # of /proc/stat in a second: Linux shows it in USER_HZ, whatever the kernel's own
# user, nice, system, irq, softirq. The time of guests is in user's; what was stolen is not ours.
_BUSY = (1, 2, 3, 6, 7)
_PATH = "PATH=$PATH:/usr/sbin:/sbin"
_CPU = "head -n 1 /proc/stat"
_CONNECT = 20_000  # milliseconds
_MORE = 60  # seconds that a slow machine may take beyond the time of sending


@dataclass(frozen=True)
class End:
    """A container, by the process whose network namespace is its."""

    machine: Machine
    pid: int

    def inside(self, command: str) -> str:
        return f"nsenter -n -t {self.pid} {command}"


@dataclass(frozen=True)
class Flow:
    """What one run of iperf3 has measured."""

    seconds: float
    bits: float
    bits_per_second: float
    retransmits: int
    segment: int
    loaded_rtt_ms: float


@dataclass
class _Server:
    """A running iperf3 that takes one connection, and what it has printed so far."""

    said: str = ""
    errors: str = ""
    listening: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


def pings(sender: End, target: str) -> tuple[list[float], int]:
    """Round-trip times in ms of the replies, and how many pings were sent."""
    command = f"ping -n -c {PINGS} -i 0.05 -W 2 -w 30 {shlex.quote(target)}"
    result = sender.machine.run(f"{_PATH}; {sender.inside(command)}", 90, sudo=True)
    seen = read_ping(result, "", target, "task-address")
    return seen.rtts_ms, seen.sent


def flow(
    sender: End, receiver: End, listen: tuple[str, int], target: tuple[str, int], seconds: int
) -> tuple[Flow, dict[str, float]]:
    """Send by TCP for some seconds; what arrived, and the busy CPU seconds of each machine.

    The server listens on `listen` in the receiver's network, for this one connection; the sender
    reaches it at `target`. Raises MachineError with iperf3's own words.
    """
    with _serving(receiver, listen, seconds) as server:
        address, port = target
        command = (
            f"iperf3 -c {shlex.quote(address)} -p {port} -t {seconds} -J "
            f"--connect-timeout {_CONNECT}"
        )
        script = (
            f"{_PATH}; {_CPU}; {sender.inside(f'timeout {seconds + _MORE} {command}')}; "
            f"code=$?; {_CPU}; exit $code"
        )
        result = sender.machine.run(script, seconds + 2 * _MORE, sudo=True)
        between = f"{sender.machine.name} to {address}:{port}"
        measured = read(result.stdout, between, result.stderr)
        if not server.ended.wait(_MORE):
            raise MachineError(f"{receiver.machine.name}: iperf3 did not end")
    busy = {
        sender.machine.name: busy_seconds(result.stdout),
        receiver.machine.name: busy_seconds(server.said),
    }
    return measured, busy


@contextlib.contextmanager
def _serving(receiver: End, listen: tuple[str, int], seconds: int) -> Iterator[_Server]:
    """An iperf3 server for one connection; it listens when the block begins.

    It ends with that connection, when the block ends, when our connection to the machine is cut,
    and in any case after some time.
    """
    address, port = listen
    machine = receiver.machine
    command = receiver.inside(
        f"timeout {seconds + 3 * _MORE} "
        f"iperf3 -s -1 -B {shlex.quote(address)} -p {port} --forceflush"
    )
    # A shell gives its background jobs no input: `cat` reads ours by another number.
    script = (
        f"{_PATH}; {_CPU}; exec 3<&0; {command} & server=$!; "
        "{ cat <&3 >/dev/null; kill $server; } >/dev/null 2>&1 & watch=$!; "
        f"wait $server; code=$?; kill $watch; {_CPU}; exit $code"
    )
    server = _Server()
    with machine.stream(machine.as_root(script)) as channel:

        def read_output() -> None:
            while chunk := channel.recv(65536):
                server.said += chunk.decode(errors="replace")
                if "listening" in server.said:
                    server.listening.set()
            server.ended.set()
            server.listening.set()

        def read_errors() -> None:
            while chunk := channel.recv_stderr(65536):
                server.errors += chunk.decode(errors="replace")

        for work in (read_output, read_errors):
            threading.Thread(target=work, daemon=True).start()
        if not server.listening.wait(_MORE) or "listening" not in server.said:
            said = (server.errors or server.said).strip().splitlines()
            raise MachineError(
                f"{machine.name}: iperf3 does not listen on {address}:{port}: "
                f"{said[-1] if said else 'it said nothing'}",
                "Run it again: another port is drawn then.",
            )
        yield server


def read(output: str, between: str, errors: str = "") -> Flow:
    """What iperf3's JSON says. Raises MachineError with its error, or where it says nothing."""
    document = output[output.find("{") : output.rfind("}") + 1]
    try:
        said: dict[str, Any] = json.loads(document)
    except ValueError:
        last = errors.strip().splitlines()[-1:] or ["nothing"]
        raise MachineError(f"iperf3, {between}: it said {last[0]}") from None
    if error := said.get("error"):
        raise MachineError(
            f"iperf3, {between}: {error}",
            "A packet filter between the machines may drop it: see the way in docs/measuring.md.",
        )
    try:
        end, start = said["end"], said["start"]
        received, sent = end["sum_received"], end["sum_sent"]
        stream = end["streams"][0]["sender"]
        if not received["bytes"]:
            raise MachineError(f"iperf3, {between}: nothing arrived")
        return Flow(
            seconds=float(received["seconds"]),
            bits=8.0 * received["bytes"],
            bits_per_second=float(received["bits_per_second"]),
            retransmits=int(sent.get("retransmits", 0)),
            segment=int(start.get("tcp_mss") or start.get("tcp_mss_default") or 0),
            loaded_rtt_ms=stream.get("mean_rtt", 0) / 1000,
        )
    except (KeyError, IndexError, TypeError) as error:
        raise MachineError(f"iperf3, {between}: its report lacks {error}") from error


def busy_seconds(output: str) -> float:
    """The seconds that CPUs were busy between the two lines of /proc/stat in an output."""
    first, last = (
        [int(word) for word in line.split()[1:]]
        for line in output.splitlines()
        if line.startswith("cpu ")
    )
    return sum(last[at - 1] - first[at - 1] for at in _BUSY) / _TICKS
