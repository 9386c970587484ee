"""The drivers that can be measured: two containers on two machines for each, and the way between.

Everything that is made carries the run's label, by which it is removed (provision/swarm/labelled).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.swarm.labelled import LABEL
from scenarios.measure.traffic import End
from scenarios.record.measured import Way

PORT = 5201  # iperf3's own, in networks of containers
# Of a machine's own ports, below those that Linux gives to programs by itself (from 32768 on).
_PORTS = range(20_000, 32_768)


@dataclass(frozen=True)
class Site:
    """Where containers are placed: the two machines, and what all of them have in common.

    The sender is a manager of the swarm.
    """

    sender: Machine
    receiver: Machine
    image: str
    token: str

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.token}

    def name(self, what: str) -> str:
        """A name that nobody has: with the run's own token."""
        return f"measure-{self.token[:8]}-{re.sub(r'[^a-z0-9]+', '-', what).strip('-')}"


@dataclass(frozen=True)
class Placed:
    """A driver with its two containers."""

    way: Way
    sender: End
    receiver: End
    listen: tuple[str, int]
    target: tuple[str, int]
    pinged: str

    @property
    def name(self) -> str:
        return self.way.name


Place = Callable[[str, Site], Placed]


def overlay(name: str, site: Site) -> Placed:
    """Containers in an attachable overlay network, which its tasks would be in as well."""
    path = ("veth", "bridge of the network", "VXLAN", "underlay", "VXLAN", "bridge", "veth")
    return across(name, site, "overlay", path)


def across(name: str, site: Site, driver: str, path: tuple[str, ...]) -> Placed:
    """Containers in one network that spans the machines, of any driver that can."""
    network = site.name(name)
    site.sender.docker.networks.create(network, driver=driver, attachable=True, labels=site.labels)
    sender, _ = _container(site, site.sender, name, network)
    receiver, attrs = _container(site, site.receiver, name, network)
    address = _address(attrs, network, site.receiver)
    way = Way(
        name=name,
        driver=driver,
        source=f"container on {site.sender.name}",
        target=f"{address}:{PORT}, the container's own address",
        path=[
            f"container on {site.sender.name}",
            *path,
            f"container on {site.receiver.name}",
        ],
        pinged=f"{address}: the container answers",
    )
    return Placed(way, sender, receiver, (address, PORT), (address, PORT), address)


def bridge(name: str, site: Site) -> Placed:
    """Containers in a bridge network on each machine: one reaches the other's published port."""
    network, inner = site.name(name), f"{PORT}/tcp"
    for machine in (site.sender, site.receiver):
        machine.docker.networks.create(network, driver="bridge", labels=site.labels)
    at = site.receiver.address
    sender, _ = _container(site, site.sender, name, network)
    # Published on the underlay's address alone: nothing listens beyond the lab's networks.
    receiver, attrs = _container(site, site.receiver, name, network, ports={inner: (at, None)})
    published = int(attrs["NetworkSettings"]["Ports"][inner][0]["HostPort"])
    address = _address(attrs, network, site.receiver)
    way = Way(
        name=name,
        driver="bridge",
        source=f"container on {site.sender.name}",
        target=f"{at}:{published}, a published port of {site.receiver.name}",
        path=[
            f"container on {site.sender.name}",
            "veth",
            "bridge",
            "NAT (sender's address)",
            "underlay",
            "NAT (published port)",
            "bridge",
            "veth",
            f"container on {site.receiver.name}",
        ],
        pinged=f"{at}: {site.receiver.name} itself answers, since a ping has no port to publish; "
        "its bridge is not passed",
    )
    return Placed(way, sender, receiver, (address, PORT), (at, published), at)


def host(name: str, site: Site) -> Placed:
    """Containers in the machines' own networks."""
    at = site.receiver.address
    port = random.SystemRandom().choice(_PORTS)
    sender, _ = _container(site, site.sender, name, "host")
    receiver, _ = _container(site, site.receiver, name, "host")
    way = Way(
        name=name,
        driver="host",
        source=f"container on {site.sender.name}",
        target=f"{at}:{port}, the address of {site.receiver.name}",
        path=[
            f"container on {site.sender.name}, in the machine's network",
            "underlay",
            f"container on {site.receiver.name}, in the machine's network",
        ],
        pinged=f"{at}: {site.receiver.name} answers, whose network is the container's",
    )
    return Placed(way, sender, receiver, (at, port), (at, port), at)


BUILT_IN: dict[str, Place] = {"overlay": overlay, "bridge": bridge, "host": host}


def _container(
    site: Site, machine: Machine, name: str, network: str, **more: Any
) -> tuple[End, dict[str, Any]]:
    """A container that does nothing, and what its engine says of it. Raises MachineError."""
    made = machine.docker.containers.create(
        site.image,
        name=site.name(f"{name}-{machine.name}"),
        network=network,
        labels=site.labels,
        tty=True,
        detach=True,
        auto_remove=True,
        **more,
    )
    made.start()
    made.reload()
    pid = int(made.attrs["State"]["Pid"])
    if not pid:
        raise MachineError(
            f"{machine.name}: the container of {name} has ended at once.",
            f"The image {site.image} needs a shell as its command (images.scenario in lab.toml).",
        )
    return End(machine, pid), dict(made.attrs)


def _address(attrs: dict[str, Any], network: str, machine: Machine) -> str:
    address = str(attrs["NetworkSettings"]["Networks"][network]["IPAddress"])
    if not address:
        raise MachineError(f"{machine.name}: its container has no address in {network}.")
    return address
