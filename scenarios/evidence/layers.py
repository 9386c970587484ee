"""One captured packet, byte by byte: which bytes are which header, and what each says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.evidence.encapsulation import ESP_PROTOCOL
from scenarios.evidence.frame import icmp

_ECHO_REQUEST = "ICMP echo request"


@dataclass(frozen=True)
class Layer:
    """Some bytes of a packet that stand together, from the byte `start`; `outer` is what the
    network puts around a container's packet."""

    name: str
    start: int
    data: bytes
    says: str
    outer: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def hexadecimal(self) -> str:
        return self.data.hex(" ")


def example(file: Path, port: int | None = None) -> tuple[Layer, ...]:
    """The layers of the first packet of a pcap that shows how the network carries packets.

    That is the first one with an echo request, however deep inside, or the first that is encrypted.
    `port` is that of VXLAN. Empty where there is none.
    """
    # Importing the layers is what teaches scapy to take them apart; it takes a second.
    from scapy.layers import inet, l2, vxlan  # noqa: F401, PLC0415
    from scapy.utils import rdpcap  # noqa: PLC0415

    data = file.read_bytes()
    for packet in rdpcap(io.BytesIO(data)) if len(data) > 24 else []:
        found = layers(bytes(packet), port)
        names = [one.name for one in found]
        if "ESP" in names or any(_ECHO_REQUEST in one.says for one in found):
            return found
    return ()


def layers(frame: bytes, port: int | None = None) -> tuple[Layer, ...]:
    """An Ethernet frame as its layers, outermost first; together they are all of its bytes."""
    from scapy.layers.l2 import Ether  # noqa: PLC0415 - scapy takes a second to import

    found = _of(Ether(frame), frame, 0, port)
    wraps = [at for at, one in enumerate(found) if one.name in {"VXLAN", "ESP"}]
    if not wraps:
        return tuple(found)
    return tuple(
        Layer(one.name, one.start, one.data, one.says, outer=at <= wraps[-1])
        for at, one in enumerate(found)
    )


def _of(packet: Any, frame: bytes, start: int, port: int | None) -> list[Layer]:
    from scapy.layers.inet import ICMP, IP, UDP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.l2 import Ether  # noqa: PLC0415
    from scapy.layers.vxlan import VXLAN  # noqa: PLC0415

    found: list[Layer] = []

    def take(name: str, size: int, says: str) -> None:
        nonlocal start
        found.append(Layer(name, start, frame[start : start + size], says))
        start += size

    if isinstance(packet, Ether):
        take("Ethernet", 14, f"{packet.src} > {packet.dst}")
        packet = packet.payload
    if not isinstance(packet, IP):
        return _rest(found, frame, start, packet.name)
    take("IPv4", packet.ihl * 4, f"{packet.src} > {packet.dst}, {packet.len} bytes")
    if packet.proto == ESP_PROTOCOL:
        spi = int.from_bytes(frame[start : start + 4])
        take("ESP", 8, f"SPI 0x{spi:08x}, and the packet's number")
        return _rest(found, frame, start, "encrypted")
    inner = packet.payload
    if isinstance(inner, UDP):
        take("UDP", 8, f"port {inner.sport} > {inner.dport}")
        if inner.dport != port:
            return _rest(found, frame, start, "data")
        vni = VXLAN(frame[start:]).vni
        take("VXLAN", 8, f"VNI {vni}")
        return found + _of(Ether(frame[start:]), frame, start, port)
    if isinstance(inner, ICMP):
        take("ICMP", 8, icmp(packet))
    return _rest(found, frame, start, "data")


def _rest(found: list[Layer], frame: bytes, start: int, name: str) -> list[Layer]:
    says = "nobody on the underlay can read it" if name == "encrypted" else "as captured"
    return [*found, Layer(name, start, frame[start:], says)] if frame[start:] else found
