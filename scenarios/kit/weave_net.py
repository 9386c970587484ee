"""Weave Net as a driver: how its packets look, what its status says, what it leaves behind.

Sources: weaveworks/weave router/fastdp.go, router/sleeve.go and router/crypto.go (framing),
prog/weaver/http.go (status), and what was seen on machines after the plugin had been removed.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from provision import loopback
from provision.definition import Plugin
from provision.errors import MachineError
from provision.machine import Machine
from scenarios.kit.driver import Driver, Mesh, Peer
from scenarios.kit.evidence import Carried, Encapsulation, decode_vxlan

SLEEVE_PORT = 6783  # TCP between routers, UDP for packets that the router itself carries
FASTDP_PORT = 6784  # VXLAN of the kernel's datapath; on TCP and loopback the status
FAST, SLEEVE = "Weave fast datapath", "Weave sleeve"
FAST_ENCRYPTED, SLEEVE_ENCRYPTED = "ESP of Weave's fast datapath", "encrypted Weave sleeve"
_NAME = 6  # bytes of a peer's name, which looks like a MAC address


def encapsulation(plugin: Plugin) -> Encapsulation:
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
    """VXLAN of the fast datapath. Its VNI names the two peers, by chance, and no network: left out.

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
    body = loopback.get(machine, FASTDP_PORT, "/report", accept="application/json")
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


# -- what it leaves behind ----------------------------------------------------------------------

_LINKS = ("weave", "vethwe-bridge", "vethwe-datapath", "vethwe-pcap", "datapath", "vxlan-6784")
_FOLDER = "/var/lib/weave"
_MARK = "0x20000/0x20000"  # of its IPsec policies (net/ipsec)

_LOOK = f"""
PATH=$PATH:/usr/sbin:/sbin
for link in {" ".join(_LINKS)}; do
  if ip link show "$link" >/dev/null 2>&1; then echo "interface $link"; fi
done
if [ -e {_FOLDER} ]; then echo "folder {_FOLDER}"; fi
for save in iptables-save iptables-legacy-save; do
  if command -v $save >/dev/null; then
    $save 2>/dev/null | sed -n 's/^:\\(WEAVE[^ ]*\\) .*/iptables chain \\1/p' | sort -u
  fi
done
if command -v ip >/dev/null; then
  ip xfrm policy 2>/dev/null | sed -n 's|.*mark {_MARK}.*|IPsec policy|p' | sort -u
fi
true
"""

# Its own tool, in its root file system, is what can remove a datapath of Open vSwitch; links go by
# `ip`, rules by their own text with -D for -A.
_CLEAN = f"""
PATH=$PATH:/usr/sbin:/sbin
if ip link show datapath >/dev/null 2>&1; then {{rootfs}}/usr/bin/weaveutil delete-datapath datapath
fi
for link in weave vethwe-bridge; do ip link delete "$link" 2>/dev/null; done
for save in iptables-save iptables-legacy-save; do
  if command -v $save >/dev/null; then
    tables=${{{{save%-save}}}}
    for table in filter nat mangle; do
      $save -t $table 2>/dev/null | sed -n '/ weave \\|WEAVE\\|Weave Net/s/^-A/-D/p' |
        xargs -r -L 1 $tables -w -t $table
      chains=$($save -t $table 2>/dev/null | sed -n 's/^:\\(WEAVE[^ ]*\\) .*/\\1/p')
      for chain in $chains; do $tables -w -t $table -F "$chain"; done
      for chain in $chains; do $tables -w -t $table -X "$chain"; done
    done
  fi
done
rm -rf {_FOLDER}
"""


def left(machine: Machine) -> list[str]:
    """What of Weave a machine still has, in words: interfaces, chains, policies, its database."""
    return machine.must(_LOOK, 60, sudo=True).splitlines()


def clean(machine: Machine, rootfs: str) -> None:
    """Undo what the plugin has made on the machine: bridge, datapath, rules, IPsec, database."""
    policies = machine.must("PATH=$PATH:/usr/sbin:/sbin; ip xfrm policy", 60, sudo=True)
    states = machine.must("PATH=$PATH:/usr/sbin:/sbin; ip -o xfrm state", 60, sudo=True)
    for command in ipsec_removal(policies, states):
        machine.run(f"PATH=$PATH:/usr/sbin:/sbin; {command}", 60, sudo=True)
    machine.run(_CLEAN.format(rootfs=shlex.quote(rootfs)), 120, sudo=True)


def ipsec_removal(policies: str, states: str) -> list[str]:
    """The commands that remove Weave's policies (`ip xfrm policy`) and states (`ip -o xfrm state`).

    A policy is Weave's by its mark; a state by going between two hosts of such a policy, in either
    direction, with no mark of its own: an encrypted overlay's states have one.
    """
    commands: list[str] = []
    pairs: set[tuple[str, str]] = set()
    mask = _MARK.replace("/", " mask ")
    for block in re.split(r"\n(?=\S)", policies):
        head = re.match(r"src (\S+) dst (\S+) proto udp", block)
        if not head or f"mark {_MARK}" not in block:
            continue
        source, target = head[1], head[2]
        way = re.search(r"dir (\w+)", block)
        if way:
            commands.append(
                f"ip xfrm policy delete dir {way[1]} src {source} dst {target} proto udp "
                f"mark {mask}"
            )
        bare = source.partition("/")[0], target.partition("/")[0]
        pairs |= {bare, (bare[1], bare[0])}
    for line in states.splitlines():
        state = re.match(r"src (\S+) dst ([^\s\\]+).*?proto esp spi (0x[0-9a-f]+)", line)
        if state and (state[1], state[2]) in pairs and " mark " not in line:
            commands.append(
                f"ip xfrm state delete src {state[1]} dst {state[2]} proto esp spi {state[3]}"
            )
    return commands


WEAVE = Driver(
    name="Weave Net",
    socket="weave.sock",
    encapsulation=encapsulation,
    book="store/weaveworks/net-plugin:2.5.2",
    modules=("openvswitch", "vport-vxlan", "vxlan", "dummy"),
    mesh=mesh,
    clean=clean,
    left=left,
)
