"""Captures hold the pair of hosts and the network alone, and are judged whole."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import wrpcap

from scenarios.evidence import capture
from scenarios.evidence.encapsulation import vxlan
from scenarios.record import model
from scenarios.report import findings
from tests.unit import sample_record

TCPDUMP = shutil.which("tcpdump", path="/usr/sbin:/usr/bin:/sbin:/bin")


def frame(vni: int, kind: int, outer: tuple[str, str] = ("10.77.0.1", "10.77.0.2")) -> Ether:
    inner = Ether() / IP(src="172.45.0.3", dst="172.45.0.6") / ICMP(type=kind)
    udp = UDP(sport=5, dport=4789)
    return Ether() / IP(src=outer[0], dst=outer[1]) / udp / VXLAN(vni=vni, flags=8) / inner


def read(folder: Path, frames: list[Ether]) -> model.Capture:
    wrpcap(str(folder / "in.pcap"), frames)
    box: Any = type("Box", (), {"name": "machine1"})()
    live = capture._Live(box, "eth1", io.BytesIO((folder / "in.pcap").read_bytes()))
    return capture.read_capture(live, vxlan(), folder, "out.pcap")


def test_a_ping_behind_many_other_packets_counts(tmp_path: Path) -> None:
    others = [frame(4097, 3)] * (capture.SHOWN_PACKETS + 10)
    seen = read(tmp_path, [*others, frame(4097, 8)])
    assert len(seen.packets) == capture.SHOWN_PACKETS
    assert capture.crossings(seen, "echo request", "172.45.0.3", "172.45.0.6", 4097) == 1
    assert sum(flow.packets for flow in seen.flows) == seen.total == len(others) + 1


def test_the_filter_is_the_pair_of_hosts_and_the_networks_vni() -> None:
    narrowed = vxlan(7777).narrowed(["10.77.0.1", "10.77.0.2"], 4097)
    assert narrowed.filter == (
        "(udp port 7777) and host 10.77.0.1 and host 10.77.0.2 "
        "and (udp[12:4] & 0xffffff00) = 0x100100"
    )
    other = vxlan(vni_tells_network=False).narrowed(["10.77.0.1", "10.77.0.2"], 4097)
    assert "udp[12:4]" not in other.filter


@pytest.mark.skipif(TCPDUMP is None, reason="tcpdump is not installed")
def test_tcpdump_takes_the_filter_and_passes_only_that_network(tmp_path: Path) -> None:
    assert TCPDUMP
    file = tmp_path / "in.pcap"
    wrpcap(
        str(file),
        [frame(4097, 8), frame(4098, 8), frame(4097, 8, ("10.77.0.1", "10.77.0.9"))],
    )
    narrowed = vxlan().narrowed(["10.77.0.1", "10.77.0.2"], 4097)
    done = subprocess.run(
        [TCPDUMP, "-n", "-r", str(file), narrowed.filter], capture_output=True, check=True
    )
    assert done.stdout.count(b"VXLAN, flags") == 1


def test_a_request_on_one_machine_alone_is_not_seen() -> None:
    record = sample_record.sample()
    assert findings.gather(record)[2].state == "seen"
    for step in record.steps:
        for one in step.captures:
            if one.machine == "machine2":
                one.packets, one.total = [], 0
    assert findings.gather(record)[2].state == "partly"


@pytest.mark.parametrize("word", ["request", "reply"])
def test_both_requests_and_replies_are_needed(word: str) -> None:
    record = sample_record.sample()
    for _, one in findings.all_captures(record):
        one.packets = [packet for packet in one.packets if word in packet.inner]
    assert findings.gather(record)[2].state == "partly"


def test_one_direction_is_not_both() -> None:
    record = sample_record.sample()
    steps = [step for step in record.steps if step.captures]
    steps[0].captures = []
    assert findings.gather(record)[2].state == "partly"
