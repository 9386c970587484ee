"""Captured packets: which of them prove that a ping crossed."""

from __future__ import annotations

import contextlib
import io
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

    name, address = "machine1", "10.77.0.1"

    def __init__(self, code: int) -> None:
        self.code = code
        self.said = [b"listening on eth1\n", b"tcpdump: The interface disappeared\n"]

    def run_checked(self, command: str, timeout: float) -> str:
        return "2: eth1"

    def as_root(self, command: str) -> str:
        return command

    @contextlib.contextmanager
    def stream(self, command: str) -> Iterator[Tcpdump]:
        yield self

    def recv(self, size: int) -> bytes:
        return b""

    def recv_stderr(self, size: int) -> bytes:
        return self.said.pop(0) if self.said else b""

    def shutdown_write(self) -> None: ...

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
