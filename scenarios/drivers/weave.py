"""Weave Net as a driver: how its packets look, and what its status says.

Sources: weaveworks/weave router/fastdp.go, router/sleeve.go and router/crypto.go (framing),
prog/weaver/http.go (status).
"""

from __future__ import annotations

import json
import re
from typing import Any

from provision.lab.model import PluginSpec
from provision.machine import loopback_http
from provision.machine.machine import Machine
from provision.plugins import weave
from provision.support.errors import MachineError
from scenarios.evidence.encapsulation import Carried, Encapsulation, decode_vxlan
from scenarios.kit.driver import Driver, Mesh, Peer

SLEEVE_PORT = 6783  # TCP between routers, UDP for packets that the router itself carries
FASTDP_PORT = 6784  # VXLAN of the kernel's datapath; on TCP and loopback the status
FAST, SLEEVE = "Weave fast datapath", "Weave sleeve"
FAST_ENCRYPTED, SLEEVE_ENCRYPTED = "ESP of Weave's fast datapath", "encrypted Weave sleeve"
_NAME = 6  # bytes of a peer's name, which looks like a MAC address


def encapsulation(plugin: PluginSpec) -> Encapsulation:
    """How Weave carries packets: on its fast datapath, or in its sleeve where that cannot be.

    With a password the first becomes ESP (RFC 4303, transport mode) and the second NaCl secret
    boxes: neither can be read.
    """
    secret = plugin.password is not None
    return Encapsulation(
        "encrypted Weave" if secret else "Weave",
        f"udp port {SLEEVE_PORT} or udp port {FASTDP_PORT} or esp",
        _decode_encrypted if secret else _decode,
        vni_tells_network=False,
        encrypted=secret,
    )


def _decode(packet: Any) -> Carried | None:
    if fast := _fast(packet):
        return fast
    payload = _sleeve(packet)
    frames = None if payload is None else sleeve_frames(payload)
    return None if frames is None else Carried(SLEEVE, frames=frames)


def _decode_encrypted(packet: Any) -> Carried | None:
    from scapy.layers.inet import IP  # noqa: PLC0415 - scapy takes a second to import

    if IP in packet and packet[IP].proto == 50:
        return Carried(FAST_ENCRYPTED)
    # Something in the clear where it should not be: it is shown as what it is.
    if fast := _fast(packet):
        return fast
    if (payload := _sleeve(packet)) is None:
        return None
    frames = sleeve_frames(payload)
    return Carried(SLEEVE_ENCRYPTED) if frames is None else Carried(SLEEVE, frames=frames)


def _fast(packet: Any) -> Carried | None:
    """VXLAN of the fast datapath. Its VNI is of the two peers, not of a network: left out.

    As in the sleeve, a frame without addresses is the router's own.
    """
    seen = decode_vxlan(packet, FASTDP_PORT, FAST)
    if seen is None:
        return None
    return Carried(FAST, frames=tuple(f for f in seen.frames if any(bytes(f)[:12])))


def _sleeve(packet: Any) -> bytes | None:
    from scapy.layers.inet import UDP  # noqa: PLC0415 - scapy takes a second to import

    if UDP not in packet or packet[UDP].dport != SLEEVE_PORT:
        return None
    return bytes(packet[UDP].payload)


def sleeve_frames(payload: bytes) -> tuple[Any, ...] | None:
    """The Ethernet frames in a sleeve packet, as scapy packets; None for one that is not readable.

    The sender's name, then for each frame: source peer, destination peer, length (16 bits, big
    endian), frame. A frame of zeros only is the router's own (heartbeats, tests of the MTU) and
    left out. A capture may have cut the last frame short. In an encrypted packet the lengths make
    no sense, or the first frame does not come from the sender.
    """
    from scapy.layers.l2 import Ether  # noqa: PLC0415 - scapy takes a second to import

    sender, rest = payload[:_NAME], payload[_NAME:]
    frames: list[Any] = []
    first = True
    while rest:
        head = 2 * _NAME + 2
        if len(rest) < head or (first and rest[:_NAME] != sender):
            return None
        length = int.from_bytes(rest[2 * _NAME : head], "big")
        frame, rest = rest[head : head + length], rest[head + length :]
        if any(frame[:14]):
            frames.append(Ether(frame))
        first = False
    return None if first else tuple(frames)


def mesh(machine: Machine) -> Mesh:
    """What the machine's router reports of its peers (`GET /report`). Raises MachineError."""
    body = loopback_http.get(machine, FASTDP_PORT, "/report", accept="application/json")
    try:
        report = json.loads(body)
        return Mesh(peers(report), report)
    except (ValueError, KeyError, TypeError) as error:
        raise MachineError(f"{machine.name}: Weave's report cannot be read: {error}") from error


def peers(report: dict[str, Any]) -> tuple[Peer, ...]:
    """The connections of a router's report; the one that a manager tries to itself is left out."""
    found = []
    for connection in report["Router"]["Connections"] or []:
        info = str(connection.get("Info") or "")
        if "cannot connect to ourself" in info:
            continue
        attrs = connection.get("Attrs") or {}
        nick = re.search(r"\(([^()]+)\)", info)
        found.append(
            Peer(
                name=nick[1] if nick else str(connection.get("Address", "")),
                established=connection.get("State") == "established",
                encrypted=bool(attrs.get("encrypted")),
                way=str(attrs.get("name") or ""),
            )
        )
    return tuple(found)


WEAVE = Driver(
    name="Weave Net",
    socket=weave.SOCKET,
    encapsulation=encapsulation,
    book="store/weaveworks/net-plugin:2.5.2",
    modules=("openvswitch", "vport-vxlan", "vxlan", "dummy"),
    mesh=mesh,
    left=weave.left,
)
