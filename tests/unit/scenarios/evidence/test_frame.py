"""Frames in words."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from scenarios.evidence.frame import Said, said

MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
ETHER = Ether(src=MACS[0], dst=MACS[1])
PAIR = IP(src="172.45.0.3", dst="172.45.0.6")


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (PAIR / ICMP(type=8), "ICMP echo request"),
        (PAIR / ICMP(type=0), "ICMP echo reply"),
        (PAIR / ICMP(type=3) / PAIR / UDP(), "ICMP destination unreachable"),
        (PAIR / ICMP(type=42), "ICMP 42"),
        (PAIR / TCP(sport=40000, dport=80, flags="SA"), "TCP 40000 > 80 SYN, ACK"),
        (PAIR / TCP(sport=40000, dport=80, flags=""), "TCP 40000 > 80"),
        (PAIR / UDP(sport=5353, dport=53) / Raw(b"\x00"), "UDP 5353 > 53"),
        (
            IP(src="172.45.0.3", dst="172.45.0.6", frag=185, proto=17) / Raw(b"\x00" * 16),
            "later fragment of IP protocol 17",
        ),
        (IP(src="172.45.0.3", dst="172.45.0.6", proto=132) / Raw(b"x"), "IP protocol 132"),
    ],
)
def test_ip_has_the_addresses_of_its_ends(inside: Any, words: str) -> None:
    frame = Ether(bytes(ETHER / inside))
    assert said(frame) == Said("172.45.0.3", "172.45.0.6", words)


def test_other_frames_have_the_addresses_that_they_have() -> None:
    asked = ETHER / ARP(op=1, psrc="172.45.0.3", pdst="172.45.0.6")
    assert said(Ether(bytes(asked))) == Said("172.45.0.3", "172.45.0.6", "ARP request")
    neighbour = ETHER / IPv6(src="fe80::1", dst="ff02::1") / ICMPv6ND_NS(tgt="fe80::2")
    found = said(Ether(bytes(neighbour)))
    assert (found.source, found.destination) == ("fe80::1", "ff02::1")
    assert found.protocol.startswith("ICMPv6 Neighbor Discovery")
    unknown = Ether(bytes(Ether(src=MACS[0], dst=MACS[1], type=0x88B5) / Raw(b"x" * 50)))
    assert said(unknown) == Said(*MACS, "Ethernet type 0x88b5")


def test_bytes_that_are_no_frame_have_no_addresses() -> None:
    assert said(Raw(b"\x01\x02")) == Said("", "", "Raw")
