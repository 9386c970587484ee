"""Captured packets: which of them prove that a ping crossed."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import wrpcap

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.evidence import capture, encapsulation


def test_only_icmp_of_the_right_network_and_addresses_counts(tmp_path: Path) -> None:
    def frame(vni: int, source: str, destination: str, kind: int) -> Ether:
        inner = Ether() / IP(src=source, dst=destination) / ICMP(type=kind)
        outer = Ether() / IP(src="10.77.0.1", dst="10.77.0.2") / UDP(sport=5, dport=4789)
        return outer / VXLAN(vni=vni) / inner

    frames = [
        frame(4097, "172.45.0.3", "172.45.0.6", 8),
        frame(4098, "172.45.0.3", "172.45.0.6", 8),
        frame(4097, "172.45.0.9", "172.45.0.6", 8),
        frame(4097, "172.45.0.6", "172.45.0.3", 0),
    ]
    wrpcap(str(tmp_path / "in.pcap"), frames)

    class Box:
        name = "machine1"

    live = capture._Live(Box(), "eth1", io.BytesIO((tmp_path / "in.pcap").read_bytes()))  # type: ignore[arg-type]
    seen = capture.read_capture(live, encapsulation.VXLAN, tmp_path, "out.pcap")
    assert seen.total == 4
    assert capture.crossings(seen, "echo request", "172.45.0.3", "172.45.0.6", 4097) == 1
    assert capture.crossings(seen, "echo reply", "172.45.0.6", "172.45.0.3", 4097) == 1
    assert capture.crossings(seen, "echo reply", "172.45.0.6", "172.45.0.3", 4096) == 0
    assert seen.packets[0].outer_source == "10.77.0.1"
    assert (tmp_path / "out.pcap").is_file()


class Tcpdump:
    """A machine whose tcpdump listens, and ends with `code`; what it captured is nothing."""

    address = "10.77.0.1"

    def __init__(self, code: int, name: str = "machine1") -> None:
        self.code = code
        self.name = name
        self.said = [b"listening on eth1\n", b"tcpdump: The interface disappeared\n"]
        self.starting: threading.Barrier | None = None
        self.ending: threading.Barrier | None = None
        self.closed = False

    def run_checked(self, command: str, timeout: float) -> str:
        return "2: eth1"

    def as_root(self, command: str) -> str:
        return command

    @contextlib.contextmanager
    def stream(self, command: str) -> Iterator[Tcpdump]:
        if self.starting:
            self.starting.wait(60)
        yield self
        self.closed = True

    def recv(self, size: int) -> bytes:
        return b""

    def recv_stderr(self, size: int) -> bytes:
        return self.said.pop(0) if self.said else b""

    def shutdown_write(self) -> None:
        if self.ending:
            self.ending.wait(60)

    def recv_exit_status(self) -> int:
        return self.code


def test_a_capture_that_has_failed_is_not_one_of_no_packets() -> None:
    with capture.capturing([cast(Machine, Tcpdump(0))], encapsulation.VXLAN):
        pass
    failed = "machine1: tcpdump on eth1 has failed .1.: tcpdump: The interface disappeared"
    with (
        pytest.raises(MachineError, match=failed),
        capture.capturing([cast(Machine, Tcpdump(1))], encapsulation.VXLAN),
    ):
        pass


def test_captures_are_started_and_ended_on_all_machines_at_once() -> None:
    both = [Tcpdump(0, "machine1"), Tcpdump(0, "machine2")]
    starting, ending = threading.Barrier(2), threading.Barrier(2)
    for one in both:
        one.starting, one.ending = starting, ending
    with capture.capturing(cast("list[Machine]", both), encapsulation.VXLAN) as live:
        assert [one.name for one in live] == ["machine1", "machine2"]
        assert not any(one.closed for one in both)
    assert all(one.closed for one in both)


def test_a_capture_that_cannot_start_leaves_none_on_the_other_machines() -> None:
    good, bad = Tcpdump(0, "machine1"), Tcpdump(0, "machine2")
    bad.said = [b"tcpdump: eth1: no such device"]
    with (
        pytest.raises(MachineError, match=r"machine2: tcpdump does not capture on eth1: .*no such"),
        capture.capturing(cast("list[Machine]", [good, bad]), encapsulation.VXLAN),
    ):
        pytest.fail("it began")
    assert good.closed
    assert bad.closed
