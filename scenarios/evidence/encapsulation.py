"""Evidence that two tasks reach each other: pings, and packets on the underlay while they ran.

A ping of a service's name is answered on the asking host itself: the name is the service's virtual
IP, which belongs to the asking container's own network namespace, and IPVS balances TCP and UDP
only (moby issues 24201 and 33770). What crosses hosts is a ping of a task's own address, and what
shows that it crossed is its encapsulated packets on the underlay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

NOTHING = "nothing around it"
ESP_PROTOCOL = 50  # in the header of IP


@dataclass(frozen=True)
class Carried:
    """A captured packet taken apart: whose encapsulation it is, and what it carries.

    `frames` are scapy packets, none where they cannot be read; `vni` is a VXLAN network
    identifier (24 bits), None where the encapsulation has none.
    """

    encapsulation: str
    vni: int | None = None
    frames: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Encapsulation:
    """How a network driver carries packets between hosts, and how to recognize that.

    `filter` is tcpdump's; `decode` takes a scapy packet and gives None for one that is not the
    driver's. A driver with several ways of carrying (Weave) names each in `Carried`. With
    `vni_tells_network` a packet counts only when it has the network's own VNI. With `encrypted`
    nothing inside can be read.
    """

    name: str
    filter: str
    decode: Callable[[Any], Carried | None]
    vni_tells_network: bool = True
    encrypted: bool = False

    def narrowed(self, hosts: Sequence[str], vni: int | None) -> Encapsulation:
        """The same, with a filter for what these hosts send each other in the network `vni`.

        The VNI is 3 bytes, the fourth to sixth of VXLAN's header, which follows the UDP header
        of 8 bytes (RFC 7348, section 5).
        """
        terms = [f"({self.filter})", *(f"host {host}" for host in hosts)]
        if vni is not None and self.vni_tells_network:
            terms.append(f"(udp[12:4] & 0xffffff00) = {vni << 8:#x}")
        return replace(self, filter=" and ".join(terms))


def among(hows: Sequence[Encapsulation], hosts: Sequence[str]) -> str:
    """tcpdump's filter for all that these hosts send each other in any of the encapsulations."""
    kinds = " or ".join(f"({how.filter})" for how in hows)
    start, end = (" or ".join(f"{way} host {host}" for host in hosts) for way in ("src", "dst"))
    return f"({kinds}) and ({start}) and ({end})"


def vxlan(port: int = 4789, name: str = "VXLAN", vni_tells_network: bool = True) -> Encapsulation:
    """VXLAN on a UDP port. Source: RFC 7348 (4789 is its registered port)."""

    def decode(packet: Any) -> Carried | None:
        return decode_vxlan(packet, port, name)

    return Encapsulation(name, f"udp port {port}", decode, vni_tells_network)


def plain() -> Encapsulation:
    """Packets as containers send them, with nothing around them. Of those, ICMP."""

    def decode(packet: Any) -> Carried | None:
        from scapy.layers.inet import ICMP  # noqa: PLC0415 - scapy takes a second to import

        return Carried(NOTHING, None, (packet,)) if ICMP in packet else None

    return Encapsulation(NOTHING, "icmp", decode, vni_tells_network=False)


def encrypted_vxlan(port: int = 4789) -> Encapsulation:
    """VXLAN inside ESP (RFC 4303), as encrypted overlay networks have it; readable VXLAN is
    captured as well, so that it would be seen."""

    def decode(packet: Any) -> Carried | None:
        from scapy.layers.inet import IP  # noqa: PLC0415 - scapy takes a second to import

        if IP in packet and packet[IP].proto == ESP_PROTOCOL:
            return Carried("ESP")
        return decode_vxlan(packet, port, "VXLAN")

    return Encapsulation(
        "ESP", f"esp or udp port {port}", decode, vni_tells_network=False, encrypted=True
    )


def decode_vxlan(packet: Any, port: int, name: str) -> Carried | None:
    """A packet to a VXLAN port as what it carries; None for any other one."""
    from scapy.layers.inet import UDP  # noqa: PLC0415 - scapy takes a second to import
    from scapy.layers.vxlan import VXLAN  # noqa: PLC0415

    if UDP not in packet or packet[UDP].dport != port:
        return None
    data = bytes(packet[UDP].payload)
    # The flag that says that there is a VNI (RFC 7348, section 5).
    if len(data) < 8 or not data[0] & 0x08:
        return None
    header = VXLAN(data)
    return Carried(name, int(header.vni), (header.payload,))


VXLAN = vxlan()
