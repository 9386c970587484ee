"""What a packet is taken for: VXLAN, ESP, or nothing around what a container has sent."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from scenarios.evidence.encapsulation import NOTHING, encrypted_vxlan, plain

PING = Ether() / IP(src="10.46.2.2", dst="10.46.2.4") / ICMP(type=8)
UNDERLAY = Ether() / IP(src="192.0.2.1", dst="192.0.2.2")
READABLE = UNDERLAY / UDP(sport=55555, dport=4789) / VXLAN(vni=4097, flags=8) / PING


def sealed() -> Packet:
    packet = UNDERLAY.copy()
    packet[IP].proto = 50
    return packet / Raw(b"\x00\x00\x10\x00\x00\x00\x00\x07" + b"?" * 40)


def test_nothing_in_esp_is_read() -> None:
    found = encrypted_vxlan().decode(sealed())
    assert found is not None
    assert (found.encapsulation, found.frames) == ("ESP", ())


def test_vxlan_that_is_not_encrypted_is_read_and_so_found_out() -> None:
    found = encrypted_vxlan().decode(READABLE)
    assert found is not None
    assert (found.encapsulation, found.vni) == ("VXLAN", 4097)
    assert found.frames[0][IP].dst == "10.46.2.4"


def test_the_capture_asks_for_both_and_for_the_swarms_own_port() -> None:
    assert encrypted_vxlan(7789).filter == "esp or udp port 7789"
    assert encrypted_vxlan(7789).decode(READABLE) is None


def test_a_plain_ping_has_nothing_around_it_and_other_packets_are_none() -> None:
    found = plain().decode(PING)
    assert found is not None
    assert (found.encapsulation, found.vni) == (NOTHING, None)
    assert plain().decode(UNDERLAY / TCP()) is None
