"""Captures on the underlay."""

from __future__ import annotations

import contextlib
import io
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.files import write_atomic
from scenarios.evidence.encapsulation import Encapsulation
from scenarios.evidence.frame import icmp
from scenarios.record.model import Capture, Packet, count

# A capture is bounded on the machine itself, so that a busy underlay cannot fill a disk.
MOST_PACKETS = 20000
SHOWN_PACKETS = 200
SNAPSHOT = 256  # bytes of each packet: all headers, and little of what people send
_BETWEEN = ", "  # several frames that one packet carries


def underlay_interface(machine: Machine) -> str:
    """The interface that holds the machine's underlay address. Raises MachineError."""
    out = machine.run_checked(
        f"ip -o -4 address show to {shlex.quote(machine.address)}", 30
    ).split()
    if len(out) < 2:
        raise MachineError(f"{machine.name}: no interface has the address {machine.address}")
    return out[1]


@dataclass
class _Live:
    """A running tcpdump: what it has written so far, and whether it listens."""

    machine: Machine
    interface: str
    data: io.BytesIO = field(default_factory=io.BytesIO)
    errors: str = ""
    listening: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def capturing(machines: list[Machine], how: Encapsulation) -> Iterator[list[_Live]]:
    """Capture on every machine's underlay while the block runs; all listen when it begins.

    tcpdump writes to the SSH channel, so nothing is left on the machine, and it ends when its
    input closes, even if the connection is lost. Raises MachineError where it cannot start.
    """
    with contextlib.ExitStack() as stack:
        live = [stack.enter_context(_one(machine, how)) for machine in machines]
        yield live


@contextlib.contextmanager
def _one(machine: Machine, how: Encapsulation) -> Iterator[_Live]:
    live = _Live(machine, underlay_interface(machine))
    # `cat` ends with our side of the channel; a background job of sh ignores SIGINT, hence TERM.
    script = (
        f"PATH=$PATH:/usr/sbin; tcpdump -i {shlex.quote(live.interface)} -n -U --immediate-mode "
        f"-s {SNAPSHOT} -c {MOST_PACKETS} -w - {shlex.quote(how.filter)} & p=$!; "
        "cat >/dev/null; kill -TERM $p; wait $p"
    )
    with machine.stream(machine.as_root(script)) as channel:

        def read_errors() -> None:
            while chunk := channel.recv_stderr(4096):
                live.errors += chunk.decode(errors="replace")
                if "listening on" in live.errors:
                    live.listening.set()
            live.listening.set()

        def read_data() -> None:
            while chunk := channel.recv(65536):
                live.data.write(chunk)
            live.ended.set()

        readers = [threading.Thread(target=one, daemon=True) for one in (read_errors, read_data)]
        for reader in readers:
            reader.start()
        if not live.listening.wait(60) or "listening on" not in live.errors:
            raise MachineError(
                f"{machine.name}: tcpdump does not capture on {live.interface}: "
                f"{live.errors.strip() or 'it said nothing'}"
            )
        yield live
        channel.shutdown_write()
        if not live.ended.wait(30):
            raise MachineError(f"{machine.name}: tcpdump did not end on {live.interface}")
        # One that has failed on the way has not seen what came after: its silence says nothing.
        if code := channel.recv_exit_status():
            readers[0].join(5)
            raise MachineError(
                f"{machine.name}: tcpdump on {live.interface} has failed ({code}): "
                f"{live.errors.strip().splitlines()[-1]}"
            )


def read_capture(live: _Live, how: Encapsulation, folder: Path, file: str) -> Capture:
    """Keep a finished capture as `folder/file` and say what is in it."""
    # Importing the layers is what teaches scapy to take them apart; it takes a second.
    from scapy.layers import inet, l2, vxlan  # noqa: F401, PLC0415
    from scapy.utils import rdpcap  # noqa: PLC0415

    data = live.data.getvalue()
    write_atomic(folder / file, data)
    # A file header without a packet is 24 bytes; fewer means that nothing came at all.
    packets = list(rdpcap(io.BytesIO(data))) if len(data) > 24 else []
    start = float(packets[0].time) if packets else 0.0
    described = [_describe(packet, how, start) for packet in packets]
    return Capture(
        machine=live.machine.name,
        interface=live.interface,
        filter=how.filter,
        file=file,
        total=len(packets),
        packets=described[:SHOWN_PACKETS],
        flows=count(described),
    )


def _describe(packet: Any, how: Encapsulation, start: float) -> Packet:
    from scapy.layers.inet import ICMP, IP, UDP  # noqa: PLC0415 - scapy takes a second to import

    def described(frame: Any) -> str:
        if IP not in frame:
            return str(frame.summary())
        kind = frame.summary()
        if ICMP in frame:
            kind = icmp(frame)
        return f"{kind} {frame[IP].src} > {frame[IP].dst}"

    carried = how.decode(packet)
    return Packet(
        at=round(float(packet.time) - start, 6),
        outer_source=packet[IP].src if IP in packet else "",
        outer_destination=packet[IP].dst if IP in packet else "",
        outer_port=int(packet[UDP].dport) if UDP in packet else 0,
        encapsulation=carried.encapsulation if carried else "",
        vni=carried.vni if carried else None,
        inner=_BETWEEN.join(map(described, carried.frames)) if carried else "",
    )


def crossings(capture: Capture, kind: str, source: str, destination: str, vni: int | None) -> int:
    """How many of all captured packets carried that ICMP message between the two task addresses.

    With a `vni` those of that network only; with None whatever VNI they have.
    """
    wanted = f"ICMP {kind} {source} > {destination}"
    return sum(
        flow.packets
        for flow in capture.counted()
        if wanted in flow.inner.split(_BETWEEN) and vni in (None, flow.vni)
    )
