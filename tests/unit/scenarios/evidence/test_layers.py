"""A packet is taken apart byte by byte, and no byte of it is lost."""

from __future__ import annotations

from pathlib import Path

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from scenarios.evidence.layers import example, layers

PING = Ether() / IP(src="10.46.1.2", dst="10.46.1.4") / ICMP(type=8) / Raw(b"x" * 56)
UNDERLAY = Ether() / IP(src="192.0.2.1", dst="192.0.2.2")


def carried(port: int = 4789) -> Packet:
    return UNDERLAY / UDP(sport=55555, dport=port) / VXLAN(vni=4097, flags=8) / PING


def test_vxlan_is_fifty_bytes_around_the_containers_own_packet() -> None:
    found = layers(bytes(carried()), 4789)
    assert [(one.name, one.size, one.outer) for one in found] == [
        ("Ethernet", 14, True),
        ("IPv4", 20, True),
        ("UDP", 8, True),
        ("VXLAN", 8, True),
        ("Ethernet", 14, False),
        ("IPv4", 20, False),
        ("ICMP", 8, False),
        ("data", 56, False),
    ]
    assert sum(one.size for one in found if one.outer) == 50
    assert found[3].says == "VNI 4097"
    assert found[6].says == "ICMP echo request"


def test_every_byte_is_in_one_layer_and_in_its_place() -> None:
    for packet, port in ((carried(), 4789), (carried(7789), 7789), (PING, None)):
        found = layers(bytes(packet), port)
        assert b"".join(one.data for one in found) == bytes(packet)
        assert [one.start for one in found] == [
            sum(other.size for other in found[:at]) for at in range(len(found))
        ]


def test_another_udp_port_is_no_vxlan() -> None:
    found = layers(bytes(carried(53)), 4789)
    assert [one.name for one in found] == ["Ethernet", "IPv4", "UDP", "data"]


def test_nothing_after_the_header_of_esp_is_read() -> None:
    secret = UNDERLAY.copy()
    secret[IP].proto = 50
    found = layers(bytes(secret / Raw(bytes.fromhex("0000100000000007") + b"?" * 40)), 4789)
    assert [(one.name, one.outer) for one in found] == [
        ("Ethernet", True),
        ("IPv4", True),
        ("ESP", True),
        ("encrypted", False),
    ]
    assert found[2].says == "SPI 0x00001000, and the packet's number"


def test_the_example_is_the_first_ping_of_a_capture(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    reply = UNDERLAY / UDP(dport=4789) / VXLAN(vni=1, flags=8) / Ether() / IP() / ICMP(type=0)
    wrpcap(str(file), [Ether() / ARP(), reply, carried()])
    assert [one.says for one in example(file, 4789)][3] == "VNI 4097"
    wrpcap(str(file), [Ether() / ARP()])
    assert example(file, 4789) == ()
    file.write_bytes(b"")
    assert example(file, 4789) == ()
