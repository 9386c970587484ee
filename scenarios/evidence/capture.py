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
from provision.support.parallel import run_on_all
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
    """A tcpdump on a machine's underlay: what it has written so far, and whether it listens.

    It writes to the SSH channel, so nothing is left on the machine, and it ends when its input
    closes, even if the connection is lost.
    """

    machine: Machine
    interface: str = ""
    data: io.BytesIO = field(default_factory=io.BytesIO)
    errors: str = ""
    listening: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    channel: Any = None
    readers: list[threading.Thread] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.machine.name

    def begin(self, how: Encapsulation) -> None:
        """Start it; it listens then. Raises MachineError where it cannot."""
        self.interface = underlay_interface(self.machine)
        # `cat` ends with our side of the channel; a background job of sh ignores SIGINT, hence
        # TERM.
        script = (
            f"PATH=$PATH:/usr/sbin; tcpdump -i {shlex.quote(self.interface)} -n -U "
            f"--immediate-mode -s {SNAPSHOT} -c {MOST_PACKETS} -w - {shlex.quote(how.filter)} & "
            "p=$!; cat >/dev/null; kill -TERM $p; wait $p"
        )
        self.channel = self.held.enter_context(self.machine.stream(self.machine.as_root(script)))
        for read in (self._read_errors, self._read_data):
            self.readers.append(threading.Thread(target=read, daemon=True))
            self.readers[-1].start()
        if not self.listening.wait(60) or "listening on" not in self.errors:
            raise MachineError(
                f"{self.name}: tcpdump does not capture on {self.interface}: "
                f"{self.errors.strip() or 'it said nothing'}"
            )

    def _read_errors(self) -> None:
        while chunk := self.channel.recv_stderr(4096):
            self.errors += chunk.decode(errors="replace")
            if "listening on" in self.errors:
                self.listening.set()
        self.listening.set()

    def _read_data(self) -> None:
        while chunk := self.channel.recv(65536):
            self.data.write(chunk)
        self.ended.set()

    def end(self) -> None:
        """End it; all that it has captured is here then. Raises MachineError where it failed."""
        with self.held:
            self.channel.shutdown_write()
            if not self.ended.wait(30):
                raise MachineError(f"{self.name}: tcpdump did not end on {self.interface}")
            # One that has failed on the way has not seen what came after: its silence says nothing.
            if code := self.channel.recv_exit_status():
                self.readers[0].join(5)
                raise MachineError(
                    f"{self.name}: tcpdump on {self.interface} has failed ({code}): "
                    f"{self.errors.strip().splitlines()[-1]}"
                )


@contextlib.contextmanager
def capturing(machines: list[Machine], how: Encapsulation) -> Iterator[list[_Live]]:
    """Capture on every machine's underlay while the block runs; all listen when it begins.

    Raises MachinesError where tcpdump cannot start, or has failed on the way.
    """
    # What takes the packets apart later takes a second to load: while the block waits.
    threading.Thread(target=learn_layers, daemon=True).start()
    live = [_Live(machine) for machine in machines]
    with contextlib.ExitStack() as stack:
        for one in live:
            stack.callback(one.held.close)
        run_on_all("starting a capture", live, lambda one: one.begin(how))
        yield live
        run_on_all("ending a capture", live, _Live.end)


def learn_layers() -> None:
    """Importing the layers is what teaches scapy to take them apart; it takes a second."""
    from scapy.layers import inet, inet6, l2, vxlan  # noqa: F401, PLC0415


def read_capture(live: _Live, how: Encapsulation, folder: Path, file: str) -> Capture:
    """Keep a finished capture as `folder/file` and say what is in it."""
    learn_layers()
    from scapy.utils import rdpcap  # noqa: PLC0415 - scapy takes a second to import

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
