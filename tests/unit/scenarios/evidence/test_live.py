"""Rows of packets as they come from machines that are none: what is kept, counted and told."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from provision.lab.model import PluginSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.drivers import weave
from scenarios.evidence import live
from scenarios.evidence.encapsulation import Carried, Encapsulation, among, vxlan
from scenarios.evidence.live import Live, Row

CAPTURES = Path(__file__).parents[1] / "drivers" / "captures"
LISTENING = "tcpdump: listening on eth1, link-type EN10MB (Ethernet), snapshot length 256 bytes\n"
PATIENCE = 60.0
NAMES = {4097: "overlaynet1"}


def packet(number: int = 0, vni: int = 4097, kind: int = 8, inner: Any = None) -> Any:
    inner = inner or Ether() / IP(src="172.45.0.3", dst="172.45.0.6") / ICMP(type=kind, seq=number)
    outer = Ether() / IP(src="10.77.0.1", dst="10.77.0.2") / UDP(sport=5, dport=4789)
    found = outer / VXLAN(vni=vni, flags=8) / inner
    found.time = 1_764_000_000 + number
    return found


def pcap(*packets: Any) -> bytes:
    file = io.BytesIO()
    file.close = lambda: None  # type: ignore[method-assign]
    wrpcap(file, list(packets), linktype=1)
    return file.getvalue()


class Channel:
    """A channel on which comes what the test says, and which ends when it says so."""

    def __init__(self) -> None:
        self.out: queue.Queue[bytes] = queue.Queue()
        self.err: queue.Queue[bytes] = queue.Queue()
        self.sent = b""

    def says(self, text: str) -> None:
        self.err.put(text.encode())

    def brings(self, *packets: Any) -> None:
        self.out.put(pcap(*packets))

    def ends(self) -> None:
        self.out.put(b"")

    def settimeout(self, _: float) -> None:
        return

    def recv(self, _: int) -> bytes:
        with contextlib.suppress(queue.Empty):
            return self.out.get(timeout=0.01)
        raise TimeoutError

    def recv_stderr_ready(self) -> bool:
        return not self.err.empty()

    def recv_stderr(self, _: int) -> bytes:
        return self.err.get()

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def shutdown_write(self) -> None:
        self.ends()


class Box:
    """A machine with a channel for each connection that it will have."""

    def __init__(self, number: int, connections: int = 1) -> None:
        self.name, self.address = f"machine{number}", f"10.77.0.{number}"
        self.channels = [Channel() for _ in range(connections)]
        self.command = ""
        self._left = iter(self.channels)
        self.lost = threading.Event()

    def as_root(self, command: str) -> str:
        return command

    def run_checked(self, command: str, timeout: float) -> str:
        return f"3: eth1 inet {self.address}/24 scope global eth1"

    @contextlib.contextmanager
    def stream(self, command: str, window: int) -> Iterator[Channel]:
        self.command = command
        found = next(self._left, None)
        if found is None:
            self.lost.set()
            raise MachineError(f"{self.name}: no SSH")
        yield found


VXLAN_HERE = (vxlan(),)


def watching(boxes: Sequence[Box], hows: Sequence[Encapsulation] = VXLAN_HERE, **more: Any) -> Live:
    return Live(cast("list[Machine]", list(boxes)), hows, **{"networks": NAMES, **more})


def arrived(seen: Live, count: int) -> list[Row]:
    """The rows, once there are so many in all."""
    rows = seen.since(count - 1, PATIENCE)
    assert rows
    assert rows[-1].number >= count
    return seen.since(0)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_ASK", 0.0)
    # A test that makes hundreds of packets on a busy computer leaves its machines silent meanwhile.
    monkeypatch.setattr(live, "_SILENCE", 10 * PATIENCE)


def test_a_packet_is_a_row_on_each_machine_that_saw_it() -> None:
    one, two = Box(1), Box(2)
    with watching([one, two]) as seen:
        one.channels[0].brings(packet())
        first = arrived(seen, 1)[0]
        two.channels[0].brings(packet())
        rows = arrived(seen, 2)
    assert first == Row(
        number=1,
        at=1_764_000_000.0,
        machine="machine1",
        outer_source="10.77.0.1",
        outer_destination="10.77.0.2",
        encapsulation="VXLAN",
        vni=4097,
        network="overlaynet1",
        inner_source="172.45.0.3",
        inner_destination="172.45.0.6",
        protocol="ICMP echo request",
        size=92,
    )
    assert rows == [first, dataclasses.replace(first, number=2, machine="machine2")]
    assert json.loads(json.dumps(dataclasses.asdict(first)))["network"] == "overlaynet1"


def test_rows_come_as_they_come_until_the_block_ends() -> None:
    box = Box(1)
    with watching([box]) as seen:
        box.channels[0].brings(packet(0), packet(1))
        rows = seen.rows()
        assert [next(rows).number, next(rows).number] == [1, 2]
        box.channels[0].out.put(pcap(packet(2))[24:])
        assert next(rows).number == 3
    assert next(rows, None) is None


def test_since_waits_no_longer_than_it_is_told() -> None:
    with watching([Box(1)]) as seen:
        assert seen.since(0) == []
        assert seen.since(7, 0.01) == []


def test_the_newest_packets_are_kept_and_numbers_go_on() -> None:
    box = Box(1)
    with watching([box], keep=5) as seen:
        box.channels[0].brings(*map(packet, range(12)))
        rows = arrived(seen, 12)
        assert [row.number for row in rows] == [8, 9, 10, 11, 12]
        assert [row.number for row in seen.since(10)] == [11, 12]
        assert len(rdpcap(io.BytesIO(seen.pcap()))) == 5


def test_no_more_than_its_share_is_taken_apart_in_a_second_and_all_is_counted() -> None:
    now = [100.0]
    one, two = Box(1), Box(2)
    with watching([one, two], per_second=20, clock=lambda: now[0]) as seen:
        one.channels[0].brings(*map(packet, range(300)))
        two.channels[0].brings(packet())
        assert len(arrived(seen, 11)) == 11
        _counted(seen, 300)
        assert [(one.packets, one.shown, one.missed) for one in seen.seen()] == [
            (300, 10, 290),
            (1, 1, 0),
        ]
        now[0] = 101.0
        one.channels[0].out.put(pcap(packet(7))[24:])
        assert arrived(seen, 12)[-1].at == 1_764_000_007
        assert seen.seen()[0].missed == 290


def _counted(seen: Live, packets: int) -> None:
    """Wait until the first machine's count is so high."""
    with seen._news:
        assert seen._news.wait_for(lambda: seen.seen()[0].packets >= packets, PATIENCE)


def test_what_the_kernel_dropped_is_counted_over_all_connections() -> None:
    box = Box(1, connections=2)
    first, second = box.channels
    said = "tcpdump: 3 packets captured, {} packets received by filter, 4 packets dropped by kernel"
    with watching([box]) as seen:
        first.says(LISTENING)
        assert seen.wait_listening(PATIENCE)
        first.brings(packet(0), packet(1))
        first.says(said.format(70) + "\n" + said.format(90) + "\n")
        arrived(seen, 2)
        _counted(seen, 90)
        first.ends()
        second.brings(packet(2))
        second.says(LISTENING + said.format(5) + "\n")
        arrived(seen, 3)
        _counted(seen, 95)
        (counted,) = seen.seen()
    assert (counted.packets, counted.shown, counted.missed) == (95, 3, 92)
    assert counted.interface == "eth1"
    assert b"USR1\n" in first.sent


def test_tcpdump_is_asked_for_its_count_when_it_listens_and_not_before() -> None:
    box = Box(1)
    with watching([box]) as seen:
        while b"0\n" not in box.channels[0].sent:
            seen.wait_listening(0.01)
        assert b"USR1" not in box.channels[0].sent
        box.channels[0].says(LISTENING)
        while b"USR1\n" not in box.channels[0].sent:
            seen.wait_listening(0.01)


def test_a_network_that_is_known_later_is_named_from_then_on() -> None:
    box = Box(1)
    with watching([box], networks={}) as seen:
        box.channels[0].brings(packet(0))
        assert arrived(seen, 1)[0].network == ""
        seen.networks = NAMES
        box.channels[0].out.put(pcap(packet(1))[24:])
        assert arrived(seen, 2)[1].network == "overlaynet1"


def test_packets_of_no_network_are_left_out_where_asked_and_counted() -> None:
    box = Box(1)
    with watching([box], foreign=False) as seen:
        box.channels[0].brings(packet(0, vni=99), packet(1), packet(2, vni=99))
        assert [row.vni for row in arrived(seen, 1)] == [4097]
        _counted(seen, 3)
        (counted,) = seen.seen()
        assert (counted.shown, counted.foreign, counted.missed) == (1, 2, 0)
        assert len(rdpcap(io.BytesIO(seen.pcap()))) == 1


def test_packets_that_nobody_can_read_are_rows_as_well() -> None:
    hostile = [
        Ether(bytes(Ether() / IP(src="10.77.0.1", dst="10.77.0.2") / UDP(dport=4789)))
        / Raw(b"\x08short"),
        Ether(bytes(packet())[:60]),  # cut within the inner frame
        Ether(b"\x00" * 14 + b"\x45"),
        Ether(bytes(range(256))),
        packet(inner=Raw(b"\xff" * 40)),
    ]
    box = Box(1)
    with watching([box]) as seen:
        box.channels[0].brings(*hostile, packet(kind=0))
        rows = arrived(seen, 6)
    assert rows[0].protocol == "UDP 53 > 4789"
    assert rows[0].encapsulation == ""
    assert rows[0].network is None
    assert rows[2].protocol == rows[3].protocol == "cannot be read"
    assert rows[5].protocol == "ICMP echo reply"


def test_what_breaks_the_decoder_breaks_nothing_else() -> None:
    def broken(packet: Any) -> None:
        raise RuntimeError("as scapy may")

    box = Box(1)
    with watching([box], [Encapsulation("broken", "udp", broken)]) as seen:
        box.channels[0].brings(packet(), packet())
        assert [row.protocol for row in arrived(seen, 2)] == ["cannot be read"] * 2


@pytest.mark.parametrize(
    ("file", "password", "encapsulation", "protocols"),
    [
        ("weave-sleeve", None, weave.SLEEVE, {"ICMP echo request", "ICMP echo reply"}),
        ("weave-fast-datapath", None, weave.FAST, {"ICMP echo request", "ICMP echo reply"}),
        ("weave-encrypted", "sesame", weave.SLEEVE_ENCRYPTED, {"cannot be read"}),
    ],
)
def test_a_plugins_packets_are_rows_without_a_vni(
    file: str, password: str | None, encapsulation: str, protocols: set[str]
) -> None:
    how = weave.encapsulation(PluginSpec(password=password))
    data = (CAPTURES / f"{file}.pcap").read_bytes()
    box = Box(1)
    with watching([box], [vxlan(), how], per_second=10_000) as seen:
        box.channels[0].out.put(data)
        _counted(seen, len(rdpcap(io.BytesIO(data))))
    rows = [row for row in seen.since(0) if row.encapsulation == encapsulation]
    assert rows
    assert protocols <= {row.protocol for row in rows}
    assert all(row.vni is None and row.network is None for row in rows)


def test_each_frame_of_a_packet_is_a_row_and_can_be_the_first_that_is_asked_for() -> None:
    def both(packet: Any) -> Carried:
        inner = packet[VXLAN].payload
        return Carried("pairs", frames=(inner, inner))

    box = Box(1)
    with watching([box], [Encapsulation("pairs", "udp", both)]) as seen:
        box.channels[0].brings(packet())
        assert [row.number for row in arrived(seen, 2)] == [1, 2]
        assert [row.number for row in seen.since(1)] == [2]
        assert (seen.seen()[0].packets, seen.seen()[0].shown) == (1, 1)
        assert len(rdpcap(io.BytesIO(seen.pcap()))) == 1


def test_tcp_is_told_by_its_ports_and_flags() -> None:
    syn = IP(src="172.45.0.3", dst="172.45.0.6") / TCP(sport=40000, dport=7701, flags="S")
    box = Box(1)
    with watching([box]) as seen:
        box.channels[0].brings(packet(inner=Ether() / syn))
        assert arrived(seen, 1)[0].protocol == "TCP 40000 > 7701 SYN"


def test_all_that_is_kept_is_saved_with_the_machine_that_saw_it(tmp_path: Path) -> None:
    one, two = Box(1), Box(2)
    with watching([one, two]) as seen:
        one.channels[0].brings(packet(0))
        arrived(seen, 1)
        two.channels[0].brings(packet(1))
        arrived(seen, 2)
        file = seen.save(tmp_path / "new" / "underlay.pcapng")
    assert [bytes(one) for one in rdpcap(str(file))] == [bytes(packet(0)), bytes(packet(1))]
    assert file.read_bytes().index(b"machine1") < file.read_bytes().index(b"machine2")
    assert list(file.parent.iterdir()) == [file]


def test_a_connection_that_ends_is_said_and_comes_again() -> None:
    box = Box(1, connections=2)
    first, second = box.channels
    with watching([box]) as seen:
        first.brings(packet(0))
        arrived(seen, 1)
        first.says(LISTENING + "tcpdump: pcap_loop: The interface disappeared\n")
        first.says("1 packet captured\n1 packet received by filter\n0 packets dropped by kernel\n")
        first.ends()
        second.brings(packet(1))
        arrived(seen, 2)
        second.says(LISTENING)
        assert seen.wait_listening(PATIENCE)
        assert seen.seen()[0].error == ""
        second.ends()
        assert box.lost.wait(PATIENCE)
        with seen._news:
            assert seen._news.wait_for(lambda: "no SSH" in seen.seen()[0].error, PATIENCE)
        assert not seen.seen()[0].listening


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sh: 1: tcpdump: not found\n", "machine1: tcpdump has ended on eth1: sh: 1: tcpdump: not"),
        (LISTENING, "machine1: tcpdump has ended on eth1: it does not say why"),
    ],
)
def test_why_a_machine_does_not_listen_is_said(said: str, error: str) -> None:
    box = Box(1, connections=2)
    box.channels[0].says(said)
    box.channels[0].ends()
    with watching([box]) as seen, seen._news:
        assert seen._news.wait_for(lambda: seen.seen()[0].error, PATIENCE)
        assert seen.seen()[0].error.startswith(error)


def test_a_machine_that_answers_nothing_any_more_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_SILENCE", 0.05)
    box = Box(1, connections=2)
    with watching([box]) as seen:
        assert box.lost.wait(PATIENCE)
    assert seen.seen()[0].packets == 0


def test_only_what_the_machines_send_each_other_is_captured() -> None:
    two = among([vxlan(4790), vxlan()], ["10.77.0.1", "10.77.0.2"])
    assert two == (
        "((udp port 4790) or (udp port 4789)) and (src host 10.77.0.1 or src host 10.77.0.2) "
        "and (dst host 10.77.0.1 or dst host 10.77.0.2)"
    )
    box = Box(1)
    with watching([box]) as seen:
        while not box.command:
            seen.wait_listening(0.01)
    assert "tcpdump -i eth1 -n -U --immediate-mode -B 512 -s 256 -w - " in box.command
    assert "'((udp port 4789)) and (src host 10.77.0.1) and (dst host 10.77.0.1)'" in box.command


def test_importing_it_does_not_import_scapy() -> None:
    said = "import sys, scenarios.evidence.live; print('scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
