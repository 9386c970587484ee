"""Faults to plant between two hosts, and oddities that are none, as data.

Each says how it is planted (a context manager, which heals it again) and what a run has to find:
the layer, and words of the cause. An oddity has neither: the run must stay green.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from provision.faults import fault as product
from provision.faults.library import mtu as narrow
from provision.faults.library import mute, name_server, partition, task_link
from provision.faults.making import Faults
from scenarios.record.model import Layer
from tests.hosts import root as roots
from tests.hosts.light_hosts import Fabric, Host


@dataclass(frozen=True)
class World:
    """Two hosts in a swarm, the bridge between them, and the lab over them."""

    fabric: Fabric
    one: Host
    two: Host
    # The lab's own faults; asked for again each time, since a run writes the journal meanwhile.
    faults: Callable[[], Faults]

    def pid(self, host: Host) -> str:
        """The process of the host's own task, of whichever service."""
        task = host.exec("docker", "ps", "-q", "--filter", "name=alpine-overlay").stdout.split()[0]
        return host.exec("docker", "inspect", "-f", "{{.State.Pid}}", task).stdout.strip()


Plant = Callable[[World], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A fault on the path between two tasks that run already.

    `quick` ones are planted in every run of the tests, the others with SWARMRIG_FAULTS=all.
    """

    name: str
    plant: Plant
    layer: Layer = ""
    cause: str = ""
    quick: bool = False
    names: bool = False  # whether the services' names have to be looked up as well

    @property
    def harmless(self) -> bool:
        return not self.layer


def made(fault: product.Fault) -> Plant:
    """A fault that Swarmrig itself makes."""

    @contextlib.contextmanager
    def plant(world: World) -> Iterator[None]:
        there = world.faults().make(fault, seconds=600)
        try:
            yield
        finally:
            assert world.faults().heal(there)

    return plant


def between(*match: str) -> Plant:
    """Packets that match are dropped on the bridge between the hosts."""
    return lambda world: world.fabric.dropping("-p", "udp", "--dport", "4789", *match)


def one_to_two(*match: str) -> Plant:
    return between("-s", "10.77.0.1", *match)


def two_to_one(*match: str) -> Plant:
    return between("-s", "10.77.0.2", *match)


def in_task(which: str, chain: str, *rule: str) -> Plant:
    """A rule in the network namespace of a host's task."""

    @contextlib.contextmanager
    def plant(world: World) -> Iterator[None]:
        host: Host = getattr(world, which)
        inside = ("nsenter", "-t", world.pid(host), "-n", "iptables")
        host.exec(*inside, "-I", chain, *rule)
        try:
            yield
        finally:
            host.exec(*inside, "-D", chain, *rule)

    return plant


def mtu(size: int, *which: str) -> Plant:
    """Another MTU on the underlay's interface of hosts."""

    @contextlib.contextmanager
    def plant(world: World) -> Iterator[None]:
        hosts: list[Host] = [getattr(world, one) for one in which]
        for host in hosts:
            host.exec("ip", "link", "set", "eth0", "mtu", str(size))
        try:
            yield
        finally:
            for host in hosts:
                host.exec("ip", "link", "set", "eth0", "mtu", "1500")
            # A task keeps the MTU that it has learned of a path for ten minutes.
            for host in (world.one, world.two):
                host.exec("nsenter", "-t", world.pid(host), "-n", "ip", "route", "flush", "cache")

    return plant


@contextlib.contextmanager
def narrow_port(world: World) -> Iterator[None]:
    """The switch's port of the second host has a smaller MTU than the host."""
    world.fabric.must("ip", "link", "set", "v2", "mtu", "1400")
    try:
        yield
    finally:
        world.fabric.must("ip", "link", "set", "v2", "mtu", "1500")


# -- oddities -------------------------------------------------------------------------------------


@contextlib.contextmanager
def nothing(world: World) -> Iterator[None]:
    yield


@contextlib.contextmanager
def foreign_vxlan(world: World) -> Iterator[None]:
    """VXLAN of others: to both hosts from elsewhere, and of another network between the two."""
    packet = b"\x08\x00\x00\x00\x00\x99\x99\x00" + bytes(60)
    over = threading.Event()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send() -> None:
        while not over.wait(0.002):
            for host in (world.one, world.two):
                sender.sendto(packet, (host.address, 4789))

    script = (
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(Proto => 'udp', PeerAddr => "
        f"'{world.two.address}', PeerPort => 4789); my $p = pack('H*', '{packet.hex()}'); "
        "my $end = time + 120; while (time < $end) { $s->send($p); select(undef, undef, undef, "
        "0.002) }"
    )
    world.one.exec("sh", "-c", 'perl -e "$0" >/dev/null 2>&1 & echo $! > /run/flood', script)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sender.close()
        world.one.exec("sh", "-c", "kill $(cat /run/flood)", check=False)


@contextlib.contextmanager
def second_network(world: World) -> Iterator[None]:
    world.one.exec("docker", "network", "create", "-d", "overlay", "other")
    try:
        yield
    finally:
        world.one.exec("docker", "network", "rm", "other")


@contextlib.contextmanager
def extra_service(world: World) -> Iterator[None]:
    """A service of somebody else on every node, in the very same network."""
    world.one.exec(
        *("docker", "service", "create", "-q", "--mode", "global", "--name", "extra"),
        *("--stop-grace-period", "100ms", "--network", "overlaynet1", "--no-resolve-image"),
        *("-t", roots.TAG),
    )
    try:
        yield
    finally:
        world.one.exec("docker", "service", "rm", "extra")


@contextlib.contextmanager
def same_hostname(world: World) -> Iterator[None]:
    world.two.exec("hostname", world.one.name)
    try:
        yield
    finally:
        world.two.exec("hostname", world.two.name)


_BLACK_HOLE = "between the machines, packets larger than"
_UNANSWERED = "arrives on machine1 and is not answered"
_FROM_ONE = "dropped from machine1 to machine2"
_FROM_TWO = "dropped from machine2 to machine1"
_LARGE = ("-m", "length", "--length")
_TCP = "TCP does not"
_EVERY_OTHER = ("-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0")

FAULTS = (
    Fault("data port dropped both ways", between(), "small packet", _FROM_TWO, quick=True),
    Fault("data port dropped 1 to 2", one_to_two(), "small packet", _FROM_ONE, quick=True),
    Fault("data port dropped 2 to 1", two_to_one(), "small packet", _FROM_TWO),
    Fault(
        "data port closed on 1",
        made(partition("machine2", "machine1", port="4789/udp", one_way=True)),
        "small packet",
        _UNANSWERED,
    ),
    Fault(
        "data port closed on 2",
        made(partition("machine1", "machine2", port="4789/udp", one_way=True)),
        "small packet",
        "arrive on machine2",
    ),
    Fault(
        "data port closed on both",
        made(partition("machine1", "machine2", port="4789/udp")),
        "small packet",
        _UNANSWERED,
        quick=True,
    ),
    Fault(
        "larger packets lost on arrival",
        made(narrow("machine1", "machine2", size=1400)),
        "large packet",
        _BLACK_HOLE,
        quick=True,
    ),
    Fault(
        "data port blocked outward on 2",
        made(mute("machine2", "machine1")),
        "small packet",
        "nothing leaves machine2",
        quick=True,
    ),
    Fault(
        "data port blocked outward on 1",
        made(mute("machine1", "machine2")),
        "small packet",
        _UNANSWERED,
    ),
    Fault(
        "ICMP dropped in a task",
        in_task("one", "INPUT", "-p", "icmp", "-j", "DROP"),
        "small packet",
        _UNANSWERED,
    ),
    Fault(
        "a task's interface is down",
        made(task_link("machine1", "alpine-overlay1", "overlaynet1")),
        "small packet",
        _UNANSWERED,
    ),
    Fault(
        "every other packet lost 1 to 2",
        one_to_two(*_EVERY_OTHER),
        "small packet",
        f"{_FROM_ONE}, though not all",
    ),
    Fault(
        "every other packet lost 2 to 1",
        two_to_one(*_EVERY_OTHER),
        "small packet",
        f"{_FROM_TWO}, though not all",
    ),
    Fault(
        "black hole for large packets",
        between(*_LARGE, "1000:65535"),
        "large packet",
        _BLACK_HOLE,
        quick=True,
    ),
    Fault(
        "black hole one way",
        one_to_two(*_LARGE, "1000:65535"),
        "large packet",
        _BLACK_HOLE,
    ),
    Fault(
        "black hole above 1400",
        between(*_LARGE, "1401:65535"),
        "large packet",
        f"{_BLACK_HOLE} 1400 bytes",
        quick=True,
    ),
    Fault("narrow port of the switch", narrow_port, "large packet", _BLACK_HOLE),
    Fault("MTU 1400 on 2", mtu(1400, "two"), "large packet", "machine2 has 1400", quick=True),
    Fault("MTU 1300 on 1", mtu(1300, "one"), "large packet", "machine1 has 1300"),
    Fault(
        "MTU 1400 on both",
        mtu(1400, "one", "two"),
        "large packet",
        "machine1 has 1400, machine2 has 1400",
    ),
    Fault(
        "MTU 1300 on both",
        mtu(1300, "one", "two"),
        "large packet",
        "machine1 has 1300, machine2 has 1300",
    ),
    Fault(
        "TCP dropped in a task",
        in_task("one", "INPUT", "-p", "tcp", "-j", "DROP"),
        "TCP",
        _TCP,
        quick=True,
    ),
    Fault(
        "TCP not sent by a task", in_task("two", "OUTPUT", "-p", "tcp", "-j", "DROP"), "TCP", _TCP
    ),
    Fault(
        "TCP refused by a task",
        in_task("two", "INPUT", "-p", "tcp", "--syn", "-j", "REJECT"),
        "TCP",
        _TCP,
    ),
    Fault(
        "TCP with data dropped in a task",
        in_task("one", "INPUT", "-p", "tcp", *_LARGE, "400:65535", "-j", "DROP"),
        "TCP",
        _TCP,
        quick=True,
    ),
    Fault(
        "names are asked elsewhere",
        made(name_server("machine2", "alpine-overlay2")),
        "name",
        "Docker's DNS server",
        names=True,
    ),
)
ODDITIES = (
    Fault("nothing at all", nothing, quick=True),
    Fault("VXLAN of others", foreign_vxlan, quick=True),
    Fault("a second network", second_network),
    Fault("somebody's service in the network", extra_service),
    Fault("two hosts of one name", same_hostname, quick=True),
    Fault("more room on the underlay", mtu(1600, "one", "two")),
)
