"""What a frame is, in words: from which address to which, and what of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ICMP = {
    0: "echo reply",
    3: "destination unreachable",
    5: "redirect",
    8: "echo request",
    11: "time exceeded",
}
_FLAGS = {"S": "SYN", "F": "FIN", "R": "RST", "P": "PSH", "A": "ACK"}


@dataclass(frozen=True)
class Said:
    """A frame in words: its addresses (of IP where it has them, or of Ethernet), and what it is."""

    source: str
    destination: str
    protocol: str


def icmp(frame: Any) -> str:
    """The message of a frame that has ICMP, such as "ICMP echo request"."""
    from scapy.layers.inet import ICMP  # noqa: PLC0415 - scapy takes a second to import

    kind = frame[ICMP].type
    return f"ICMP {_ICMP.get(kind, kind)}"


def said(frame: Any) -> Said:
    """A scapy frame in words. Ports are numbers: no list of this host's is asked for names."""
    from scapy.layers.inet import IP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415
    from scapy.layers.l2 import ARP  # noqa: PLC0415

    if IP in frame:
        return Said(frame[IP].src, frame[IP].dst, _in_ip(frame))
    if IPv6 in frame:
        return Said(frame[IPv6].src, frame[IPv6].dst, _in_ipv6(frame))
    if ARP in frame:
        kind = {1: "request", 2: "reply"}.get(frame[ARP].op, str(frame[ARP].op))
        return Said(frame[ARP].psrc, frame[ARP].pdst, f"ARP {kind}")
    ethertype = getattr(frame, "type", None)
    name = frame.name if ethertype is None else f"Ethernet type 0x{ethertype:04x}"
    return Said(getattr(frame, "src", None) or "", getattr(frame, "dst", None) or "", name)


def _in_ip(frame: Any) -> str:
    from scapy.layers.inet import ICMP, IP  # noqa: PLC0415

    if frame[IP].frag:
        return f"later fragment of IP protocol {frame[IP].proto}"
    if ICMP in frame:
        return icmp(frame)
    return _ports(frame) or f"IP protocol {frame[IP].proto}"


def _in_ipv6(frame: Any) -> str:
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415

    # Scapy has a class for each message, whose name begins so.
    name = str(frame[IPv6].payload.name)
    return name if name.startswith("ICMPv6") else _ports(frame) or f"IPv6, {name}"


def _ports(frame: Any) -> str:
    from scapy.layers.inet import TCP, UDP  # noqa: PLC0415

    if TCP in frame:
        set_ = str(frame[TCP].flags)
        flags = ", ".join(word for flag, word in _FLAGS.items() if flag in set_)
        return f"TCP {frame[TCP].sport} > {frame[TCP].dport} {flags}".rstrip()
    if UDP in frame:
        return f"UDP {frame[UDP].sport} > {frame[UDP].dport}"
    return ""
