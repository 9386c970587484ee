"""Packets read from tcpdump's output as it comes, and written for Wireshark."""

from __future__ import annotations

import io
import struct

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from scenarios.evidence.pcap import Raw, Stream, written

AT = 1_764_000_000_123_456


def as_written(order: str, magic: int, part: int, *packets: bytes, link: int = 1) -> bytes:
    """What tcpdump writes."""
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 256, link)
    return head + b"".join(
        struct.pack(f"{order}IIII", 1_764_000_000, part, len(one), 1500) + one for one in packets
    )


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "part"), [(0xA1B2C3D4, 123_456), (0xA1B23C4D, 123_456_789)])
def test_packets_come_whole_however_their_bytes_come(
    step: int, order: str, magic: int, part: int
) -> None:
    data = as_written(order, magic, part, b"one", b"", b"three" * 30)
    stream, found = Stream(), []
    for at in range(0, len(data), step):
        found += stream.feed(data[at : at + step])
    assert found == [Raw(AT, 1, 1500, one) for one in (b"one", b"", b"three" * 30)]


def test_a_packet_is_there_with_its_last_byte() -> None:
    data = as_written("<", 0xA1B2C3D4, 123_456, b"abc")
    stream = Stream()
    assert stream.feed(data[:-1]) == []
    assert stream.feed(data[-1:]) == [Raw(AT, 1, 1500, b"abc")]


def test_what_is_no_pcap_is_refused() -> None:
    with pytest.raises(ValueError, match="it begins with 7375646f"):
        Stream().feed(b"sudo: a password is required")
    huge = as_written("<", 0xA1B2C3D4, 0) + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30)
    with pytest.raises(ValueError, match="a packet of 1073741824 bytes"):
        Stream().feed(huge)


def test_what_is_written_is_read_again_with_time_length_and_link_type() -> None:
    frame = bytes(Ether() / IP(src="10.77.0.1", dst="10.77.0.2") / b"odd")
    plain = bytes(IP(src="10.77.0.3", dst="10.77.0.2") / b"x")
    data = written(
        [
            ("machine1", Raw(AT, 1, 1500, frame)),
            ("machine2", Raw(AT + 1, 101, len(plain), plain)),
            ("machine1", Raw(AT + 2, 1, len(frame), frame)),
        ]
    )
    found = list(rdpcap(io.BytesIO(data)))
    assert [bytes(one) for one in found] == [frame, plain, frame]
    assert [round(float(one.time) * 1e6) for one in found] == [AT, AT + 1, AT + 2]
    assert [one.wirelen for one in found] == [1500, len(plain), len(frame)]
    assert [type(one) for one in found] == [Ether, IP, Ether]
    assert data.count(b"machine1") == 1


def test_a_file_without_packets_is_a_file() -> None:
    assert list(rdpcap(io.BytesIO(written([("machine1", Raw(AT, 1, 4, b"abcd"))])))) != []
    assert written([])[:4] == b"\x0a\x0d\x0d\x0a"
