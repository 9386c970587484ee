"""Evidence that two tasks reach each other: pings, and packets on the underlay while they ran.

A ping of a service's name is answered on the asking host itself: the name is the service's virtual
IP, which belongs to the asking container's own network namespace, and IPVS balances TCP and UDP
only (moby issues 24201 and 33770). What crosses hosts is a ping of a task's own address, and what
shows that it crossed is its encapsulated packets on the underlay.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jc
from jc.exceptions import ParseError

from provision.errors import MachineError
from provision.files import write_atomic
from provision.machine import Machine, Result
from scenarios.kit.record import Capture, Packet, Ping

# A capture is bounded on the machine itself, so that a busy underlay cannot fill a disk.
MOST_PACKETS = 5000
SHOWN_PACKETS = 200
_BETWEEN = ", "  # several frames that one packet carries


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


@dataclass(frozen=True)
class Carried:
    """A captured packet taken apart: whose encapsulation it is, and what it carries.

    `frames` are scapy packets, none where they cannot be read; `vni` is a VXLAN network
    identifier (24 bits), None where the encapsulation has none.
    """

    encapsulation: str
    vni: int | None = None
    frames: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Encapsulation:
    """How a network driver carries packets between hosts, and how to recognize that.

    `filter` is tcpdump's; `decode` takes a scapy packet and gives None for one that is not the
    driver's. A driver with several ways of carrying (Weave) names each in `Carried`. With
    `vni_tells_network` a packet counts only when it has the network's own VNI. With `encrypted`
    nothing inside can be read.
    """

    name: str
    filter: str
    decode: Callable[[Any], Carried | None]
    vni_tells_network: bool = True
    encrypted: bool = False


def vxlan(port: int = 4789, name: str = "VXLAN", vni_tells_network: bool = True) -> Encapsulation:
    """VXLAN on a UDP port. Source: RFC 7348 (4789 is its registered port)."""

    def decode(packet: Any) -> Carried | None:
        return decode_vxlan(packet, port, name)

    return Encapsulation(name, f"udp port {port}", decode, vni_tells_network)


def decode_vxlan(packet: Any, port: int, name: str) -> Carried | None:
    """A packet to a VXLAN port as what it carries; None for any other one."""
    from scapy.layers.inet import UDP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.vxlan import VXLAN  # noqa: PLC0415

    if UDP not in packet or packet[UDP].dport != port:
        return None
    data = bytes(packet[UDP].payload)
    # The flag that says that there is a VNI (RFC 7348, section 5).
    if len(data) < 8 or not data[0] & 0x08:
        return None
    header = VXLAN(data)
    return Carried(name, int(header.vni), (header.payload,))


VXLAN = vxlan()


def underlay_interface(machine: Machine) -> str:
    """The interface that holds the machine's underlay address. Raises MachineError."""
    out = machine.must(f"ip -o -4 address show to {shlex.quote(machine.address)}", 30).split()
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
        f"-s 256 -c {MOST_PACKETS} -w - {shlex.quote(how.filter)} & p=$!; "
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

        for work in (read_errors, read_data):
            threading.Thread(target=work, daemon=True).start()
        if not live.listening.wait(60) or "listening on" not in live.errors:
            raise MachineError(
                f"{machine.name}: tcpdump does not capture on {live.interface}: "
                f"{live.errors.strip() or 'it said nothing'}"
            )
        yield live
        channel.shutdown_write()
        if not live.ended.wait(30):
            raise MachineError(f"{machine.name}: tcpdump did not end on {live.interface}")


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
    return Capture(
        machine=live.machine.name,
        interface=live.interface,
        filter=how.filter,
        file=file,
        total=len(packets),
        packets=[_describe(packet, how, start) for packet in packets[:SHOWN_PACKETS]],
    )


def _describe(packet: Any, how: Encapsulation, start: float) -> Packet:
    from scapy.layers.inet import ICMP, IP, UDP  # noqa: PLC0415 - scapy takes a second to import

    def described(frame: Any) -> str:
        if IP not in frame:
            return str(frame.summary())
        kind = frame.summary()
        if ICMP in frame:
            types = {8: "echo request", 0: "echo reply"}
            kind = f"ICMP {types.get(frame[ICMP].type, frame[ICMP].type)}"
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
    """How many captured packets carried that ICMP message between the two task addresses.

    With a `vni` those of that network only; with None whatever VNI they have.
    """
    wanted = f"ICMP {kind} {source} > {destination}"
    return sum(
        wanted in packet.inner.split(_BETWEEN) and vni in (None, packet.vni)
        for packet in capture.packets
    )
