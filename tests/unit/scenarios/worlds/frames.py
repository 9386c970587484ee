"""Captures of broken worlds: packets that should not be there, and packets that are missing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds.broken import Edit

_FILE_HEADER = 24  # bytes, and those before each packet of a capture file
_HEADER = 16
_ONE, _OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
_SOURCE = slice(26, 30)  # of an IPv4 packet on Ethernet


def with_frame(frame: bytes, answer: Answer) -> None:
    """One more packet is captured, as the first one."""
    data = base64.b64decode(answer["out"])
    size = len(frame).to_bytes(4, "little")
    record = bytes(8) + size + size + frame
    answer["out"] = _text(data[:_FILE_HEADER] + record + data[_FILE_HEADER:])


def ping(source: str, destination: str) -> Any:
    """An ICMP echo request, as a scapy packet."""
    from scapy.layers.inet import ICMP, IP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    return Ether(src=_ONE, dst=_OTHER) / IP(src=source, dst=destination) / ICMP()


def in_vxlan(frame: Any, vni: int = 4097) -> bytes:
    """A frame in VXLAN on UDP 4789, for everybody to read."""
    from scapy.layers.inet import IP, UDP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.l2 import Ether  # noqa: PLC0415
    from scapy.layers.vxlan import VXLAN  # noqa: PLC0415

    outer = (
        Ether(src=_ONE, dst=_OTHER)
        / IP(src="192.0.2.1", dst="192.0.2.2")
        / UDP(sport=4789, dport=4789)
    )
    return bytes(outer / VXLAN(vni=vni, flags="Instance") / frame)


def one_less(source: str) -> Edit:
    """The first packet that this host has sent is missing."""
    sent = bytes(map(int, source.split(".")))

    def edit(answer: Answer, _: Tape) -> None:
        data = base64.b64decode(answer["out"])
        kept = list(_records(data))
        kept.remove(next(one for one in kept if one[_HEADER:][_SOURCE] == sent))
        answer["out"] = _text(data[:_FILE_HEADER] + b"".join(kept))

    return edit


def _records(data: bytes) -> Iterator[bytes]:
    """The packets of a capture file, each with what stands before it."""
    at = _FILE_HEADER
    while at < len(data):
        end = at + _HEADER + int.from_bytes(data[at + 8 : at + 12], "little")
        yield data[at:end]
        at = end


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
