"""Captured packets as files have them: read from a stream as they come, and written for Wireshark.

Sources: https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcap.html and
https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/draft-ietf-opsawg-pcapng.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

_FILE, _RECORD = 24, 16  # bytes of the headers
_MICRO, _NANO = 0xA1B2C3D4, 0xA1B23C4D
_MOST = 1 << 18  # bytes of one packet: no tcpdump takes more
_SNAPSHOT = 0x40000


@dataclass(frozen=True)
class Raw:
    """A packet as it was captured. `at` is in microseconds since 1970, `link` the link type of
    the interface, `size` what it had on the wire: `data` may be its beginning only."""

    at: int
    link: int
    size: int
    data: bytes


class Stream:
    """The pcap that tcpdump writes, taken apart while it comes; no more than one packet waits."""

    def __init__(self) -> None:
        self._rest = b""
        self._order = ""
        self._link = 0
        self._per_micro = 1

    def feed(self, data: bytes) -> list[Raw]:
        """The packets that are whole with these bytes. Raises ValueError where it is no pcap."""
        data, at = self._rest + data, 0
        if not self._order:
            if len(data) < _FILE:
                self._rest = data
                return []
            self._begin(data)
            at = _FILE
        found = []
        while len(data) - at >= _RECORD:
            seconds, part, length, size = struct.unpack_from(f"{self._order}IIII", data, at)
            if length > _MOST:
                raise ValueError(f"a packet of {length} bytes")
            end = at + _RECORD + length
            if end > len(data):
                break
            when = seconds * 1_000_000 + part // self._per_micro
            found.append(Raw(when, self._link, size, data[at + _RECORD : end]))
            at = end
        self._rest = data[at:]
        return found

    def _begin(self, data: bytes) -> None:
        for order in ("<", ">"):
            (magic,) = struct.unpack_from(f"{order}I", data)
            if magic in (_MICRO, _NANO):
                self._order, self._per_micro = order, 1 if magic == _MICRO else 1000
                self._link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
                return
        raise ValueError(f"it begins with {data[:4].hex()}")


def written(packets: Iterable[tuple[str, Raw]]) -> bytes:
    """A pcapng file of packets, each with the machine that it was seen on.

    A machine is an interface of the file: Wireshark shows it, and each has its own link type,
    which an older pcap cannot.
    """
    interfaces: dict[tuple[str, int], int] = {}
    head = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    body = []
    for machine, raw in packets:
        key = (machine, raw.link)
        if key not in interfaces:
            interfaces[key] = len(interfaces)
            named = _option(2, machine.encode()) + _option(0, b"")
            head.append(_block(1, struct.pack("<HHI", raw.link, 0, _SNAPSHOT) + named))
        fields = (interfaces[key], raw.at >> 32, raw.at & 0xFFFFFFFF, len(raw.data), raw.size)
        body.append(_block(6, struct.pack("<IIIII", *fields) + _padded(raw.data)))
    return b"".join(head + body)


def _block(kind: int, content: bytes) -> bytes:
    size = struct.pack("<I", len(content) + 12)
    return struct.pack("<I", kind) + size + content + size


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
