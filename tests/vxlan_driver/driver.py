"""A Docker network driver for tests: a network is a bridge on each node, and VXLAN between them.

It is a managed plugin's one process, and uses nothing but Python's own library, iproute2 and
iptables. What it makes is named after the ids that the engine gives, so all state is the kernel's
and the process can be ended and started at any time.

Source of the protocol: https://github.com/moby/moby/blob/master/libnetwork/docs/remote.md, and
https://docs.docker.com/engine/extend/plugin_api/ for its HTTP over a Unix socket.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

SOCKET = Path("/run/docker/plugins/test-driver.sock")
# Not 4789: what is captured on this port cannot be an overlay network of Docker's own.
PORT = 4790
# The network option that tells every node the network's VXLAN network identifier (RFC 7348).
VNI = "swarmrig.test-driver.vni"
_VNIS = 1 << 24
# Outer IPv4, UDP and VXLAN headers, and the inner Ethernet header (RFC 7348, section 5).
_OVERHEAD = 50
_EVERY_ADDRESS = "00:00:00:00:00:00"

Request = dict[str, Any]
Answer = dict[str, Any]


class DriverError(Exception):
    """What the engine shows to the user as the driver's own words."""


def _run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise DriverError(f"{' '.join(argv)}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def bridge_of(network: str) -> str:
    return f"tdb{network[:10]}"


def vxlan_of(network: str) -> str:
    return f"tdx{network[:10]}"


def veth_of(endpoint: str) -> str:
    """The end on the bridge; the other one, `tdc…`, goes into the container."""
    return f"tdh{endpoint[:10]}"


def mac_of(address: str) -> str:
    """A container's hardware address, from its address and prefix length: "02:42:" and the four."""
    return "02:42:" + ":".join(f"{octet:02x}" for octet in IPv4Interface(address).ip.packed)


class Driver:
    """The driver's methods, each from a request's JSON to an answer's.

    `peers` are the underlay addresses of all nodes; the one that this node has is its own.
    """

    def __init__(self, peers: list[str]) -> None:
        self.peers = peers
        self._vnis: dict[str, int] = {}
        self._lock = threading.Lock()

    def methods(self) -> dict[str, Callable[[Request], Answer]]:
        return {
            "Plugin.Activate": lambda _: {"Implements": ["NetworkDriver"]},
            "NetworkDriver.GetCapabilities": lambda _: {
                "Scope": "global",
                "ConnectivityScope": "global",
            },
            "NetworkDriver.AllocateNetwork": self.allocate_network,
            "NetworkDriver.FreeNetwork": self.free_network,
            "NetworkDriver.CreateNetwork": self.create_network,
            "NetworkDriver.DeleteNetwork": self.delete_network,
            "NetworkDriver.CreateEndpoint": self.create_endpoint,
            "NetworkDriver.DeleteEndpoint": self.delete_endpoint,
            "NetworkDriver.EndpointOperInfo": lambda _: {"Value": {}},
            "NetworkDriver.Join": self.join,
            "NetworkDriver.Leave": self.leave,
            # The swarm tells of nodes that come while the driver runs, not of those before it:
            # the setting has them all. What else it tells are keys, which are nobody's business.
            "NetworkDriver.DiscoverNew": lambda _: {},
            "NetworkDriver.DiscoverDelete": lambda _: {},
            # The way out of the host is docker_gwbridge's, as it is for overlay networks.
            "NetworkDriver.ProgramExternalConnectivity": lambda _: {},
            "NetworkDriver.RevokeExternalConnectivity": lambda _: {},
        }

    # -- on the swarm's leader ------------------------------------------------------------------

    def allocate_network(self, request: Request) -> Answer:
        """Hand out the network's VNI: the one that was asked for, else one that is free."""
        network, options = request["NetworkID"], dict(request.get("Options") or {})
        with self._lock:
            taken = {vni: of for of, vni in self._vnis.items() if of != network}
            if VNI in options:
                # After a change of leader the swarm gives back what an earlier one handed out.
                vni = int(options[VNI])
                if not 0 < vni < _VNIS:
                    raise DriverError(f"{VNI}={vni}: it has 24 bits, and 0 is none")
                if vni in taken:
                    raise DriverError(f"{VNI}={vni} is taken by network {taken[vni][:12]}")
            else:
                vni = int(hashlib.sha256(network.encode()).hexdigest(), 16) % _VNIS
                while vni == 0 or vni in taken:
                    vni = (vni + 1) % _VNIS
            self._vnis[network] = vni
        return {"Options": {**options, VNI: str(vni)}}

    def free_network(self, request: Request) -> Answer:
        with self._lock:
            self._vnis.pop(request["NetworkID"], None)
        return {}

    # -- on every node --------------------------------------------------------------------------

    def create_network(self, request: Request) -> Answer:
        network = request["NetworkID"]
        generic = (request.get("Options") or {}).get("com.docker.network.generic") or {}
        if VNI not in generic:
            raise DriverError(f"the network has no option {VNI}: it is for swarm networks only")
        own, mtu = self._underlay()
        bridge, vxlan = bridge_of(network), vxlan_of(network)
        # A node that lost its power comes back with nothing, an engine that was killed with all.
        self.delete_network(request)
        try:
            _run("ip", "link", "add", bridge, "mtu", str(mtu), "type", "bridge")
            _run(
                *("ip", "link", "add", vxlan, "mtu", str(mtu), "type", "vxlan"),
                *("id", str(int(generic[VNI])), "local", own, "dstport", str(PORT)),
            )
            for peer in self.peers:
                if peer != own:
                    # What is for everybody, or for an address not yet learned, goes to each node.
                    _run("bridge", "fdb", "append", _EVERY_ADDRESS, "dev", vxlan, "dst", peer)
            _run("ip", "link", "set", vxlan, "master", bridge, "up")
            _run("ip", "link", "set", bridge, "up")
            # Where bridged packets pass iptables, Docker's policy there is to drop them.
            _run("iptables-nft", "-w", "-I", "FORWARD", *self._inside(bridge))
        except DriverError:
            self.delete_network(request)
            raise
        return {}

    def _underlay(self) -> tuple[str, int]:
        """This node's own address among the peers', and the MTU of a network over it."""
        for link in json.loads(_run("ip", "-json", "-4", "address")):
            for address in link.get("addr_info", []):
                if address["local"] in self.peers:
                    return address["local"], link["mtu"] - _OVERHEAD
        raise DriverError(
            f"PEERS={','.join(self.peers)!r} has no address of this node; set it on every node to "
            "the underlay addresses of all: docker plugin set PLUGIN PEERS=…"
        )

    def _inside(self, bridge: str) -> list[str]:
        return ["-i", bridge, "-o", bridge, "-j", "ACCEPT"]

    def delete_network(self, request: Request) -> Answer:
        network = request["NetworkID"]
        _delete_link(vxlan_of(network))
        _delete_link(bridge_of(network))
        with contextlib.suppress(DriverError):
            _run("iptables-nft", "-w", "-D", "FORWARD", *self._inside(bridge_of(network)))
        return {}

    def create_endpoint(self, request: Request) -> Answer:
        given = request.get("Interface") or {}
        if not given.get("Address"):
            raise DriverError("an endpoint without an IPv4 address")
        # What the engine has given must not be given back.
        return {
            "Interface": {} if given.get("MacAddress") else {"MacAddress": mac_of(given["Address"])}
        }

    def delete_endpoint(self, request: Request) -> Answer:
        _delete_link(veth_of(request["EndpointID"]))
        return {}

    def join(self, request: Request) -> Answer:
        """A pair of interfaces: one on the bridge, one that the engine moves into the container."""
        bridge, here = bridge_of(request["NetworkID"]), veth_of(request["EndpointID"])
        there = f"tdc{here[3:]}"
        mtu = Path(f"/sys/class/net/{bridge}/mtu").read_text().strip()
        _delete_link(here)
        _run(
            *("ip", "link", "add", here, "mtu", mtu, "type", "veth"),
            *("peer", "name", there, "mtu", mtu),
        )
        _run("ip", "link", "set", here, "master", bridge, "up")
        return {"InterfaceName": {"SrcName": there, "DstPrefix": "eth"}}

    def leave(self, request: Request) -> Answer:
        _delete_link(veth_of(request["EndpointID"]))
        return {}


def _delete_link(name: str) -> None:
    """Remove an interface, its other end too; one that is not there is as good."""
    if Path(f"/sys/class/net/{name}").exists():
        # The engine may have ended the container's own end at the same moment.
        with contextlib.suppress(DriverError):
            _run("ip", "link", "delete", name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    methods: dict[str, Callable[[Request], Answer]]

    def do_POST(self) -> None:
        name = self.path.lstrip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if name not in self.methods:
            # These words tell the engine that a driver does not have this (newer) method.
            self._answer(404, b"404 page not found")
            return
        try:
            answer = self.methods[name](json.loads(body or b"null") or {})
        except (DriverError, KeyError, OSError, ValueError) as error:
            answer = {"Err": str(error) or type(error).__name__}
        # Standard output is the plugin's log, which the engine keeps in its own.
        print(name.rpartition(".")[2], answer.get("Err", "ok"), flush=True)
        self._answer(200, json.dumps(answer).encode())

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the base class logs the client's address, which a Unix socket has none of."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main() -> None:
    """Serve until the engine says SIGTERM, which a first process has to ask for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    peers = [peer.strip() for peer in os.environ.get("PEERS", "").split(",") if peer.strip()]
    _Handler.methods = Driver(peers).methods()
    SOCKET.unlink(missing_ok=True)
    with _Server(str(SOCKET), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
