"""The underlay's packets as rows while they pass, from real hosts; and the topology beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import rdpcap

from provision.lab.model import Lab
from provision.lifecycle import running
from provision.machine.machine import Machine
from scenarios.evidence.encapsulation import vxlan
from scenarios.evidence.live import Live, Row, Seen
from scenarios.learn import topology, world
from scenarios.record import model
from tests.hosts.conftest import CLONE
from tests.hosts.light_hosts import Host, wait_for
from tests.hosts.mistakes import CREATE, service
from tests.hosts.typed import type_on

FOREIGN = 0x4D4D4D


@dataclass
class There:
    """The lab with two tasks in overlaynet1, one on each machine."""

    lab: Lab
    hosts: list[Host]
    machines: list[Machine]
    names: dict[int, str]
    shown: model.Topology

    @property
    def vni(self) -> int:
        return next(vni for vni, name in self.names.items() if name == "overlaynet1")

    @property
    def addresses(self) -> list[str]:
        return [task.address for task in self.shown.tasks]

    def ping(self) -> None:
        """From the task on the first machine to the other one's own address."""
        self.hosts[0].exec(
            *("docker", "exec", self.shown.tasks[0].container),
            *("ping", "-c", "1", "-W", "20", self.addresses[1]),
        )

    def send(self, vni: int, times: int = 1) -> None:
        """VXLAN from the first machine to the other one that no network of theirs has sent."""
        ether = Ether(src="02:00:00:00:01:01", dst="02:00:00:00:01:02")
        inner = ether / IP(src="192.0.2.1", dst="192.0.2.2") / ICMP(type=8)
        data = "".join(f"\\x{byte:02x}" for byte in bytes(VXLAN(vni=vni, flags=8) / inner))
        self.hosts[0].exec(
            "bash",
            "-c",
            f"exec 3>/dev/udp/{self.hosts[1].address}/4789; "
            f"for n in $(seq {times}); do printf '{data}' >&3; done",
        )

    def live(self, **more: Any) -> Live:
        return Live(self.machines, [vxlan()], self.names, **more)


@pytest.fixture
def there(lab: Lab, two_hosts: list[Host]) -> Iterator[There]:
    for command in (CREATE, service(1), service(2)):
        type_on(two_hosts[0], command)  # refused for what is there already
    with running.viewed(lab, "check") as opened:
        machines = dict(opened.machines)
        hosts = [
            model.Host(
                name=one.name,
                role="worker",
                address=one.address,
                engine="",
                api="",
                system="",
                kernel="",
            )
            for one in machines.values()
        ]
        seen: list[world.World] = []

        def both_run() -> bool:
            infos = {one.name: one.docker.info() for one in machines.values()}
            places = {f"machine{n}": m for n, m in enumerate(machines.values(), 1)}
            seen.append(world.see(places, infos))
            return len(topology.now(seen[-1], hosts).tasks) == 2

        wait_for("both tasks to run", both_run)
        yield There(
            lab,
            two_hosts,
            list(machines.values()),
            topology.names(seen[-1]),
            topology.now(seen[-1], hosts),
        )


def until(live: Live, right: Callable[[Row], bool]) -> Row:
    """The first row that is right; waits for it."""
    found: list[Row] = []

    def came() -> bool:
        found.extend(filter(right, live.since(0)))
        return bool(found)

    wait_for("such a row", came)
    return found[0]


def tcpdumps(host: Host) -> list[str]:
    return host.exec("pgrep", "-x", "tcpdump", check=False).stdout.split()


def wait_for_none(hosts: list[Host]) -> None:
    wait_for("no tcpdump on the hosts", lambda: not any(map(tcpdumps, hosts)), 60)


def test_the_topology_is_that_of_the_swarm(there: There) -> None:
    assert [(host.name, host.role) for host in there.shown.hosts] == [
        ("machine1", "manager"),
        ("machine2", "worker"),
    ]
    assert all(host.engine for host in there.shown.hosts)
    assert [(net.name, net.subnet) for net in there.shown.networks] == [
        ("overlaynet1", "172.45.0.0/16")
    ]
    assert [(task.service, task.machine, task.network) for task in there.shown.tasks] == [
        ("alpine-overlay1", "machine1", "overlaynet1"),
        ("alpine-overlay2", "machine2", "overlaynet1"),
    ]
    assert all(address.startswith("172.45.0.") for address in there.addresses)
    assert there.shown.networks[0].vni == there.vni
    assert set(there.names.values()) == {"overlaynet1", "ingress"}


def test_a_ping_is_seen_on_both_machines_with_its_network(there: There, tmp_path: Path) -> None:
    one, two = there.addresses
    with there.live() as live:
        assert live.wait_listening(120)
        there.ping()
        for machine in ("machine1", "machine2"):
            for kind, start, end in (("request", one, two), ("reply", two, one)):
                row = until(
                    live,
                    lambda row, machine=machine, kind=kind: (  # type: ignore[misc]
                        (row.machine, row.protocol) == (machine, f"ICMP echo {kind}")
                    ),
                )
                assert (row.inner_source, row.inner_destination) == (start, end)
                assert (row.encapsulation, row.vni) == ("VXLAN", there.vni)
                assert row.network == "overlaynet1"
                outer = [host.address for host in there.hosts]
                assert [row.outer_source, row.outer_destination] == (
                    outer if kind == "request" else outer[::-1]
                )
        assert all(post.listening and not post.error for post in live.seen())
        saved = list(rdpcap(str(live.save(tmp_path / "underlay.pcapng"))))
    assert sum(ICMP in packet[UDP].payload for packet in saved) == 4
    assert not any(map(tcpdumps, there.hosts))


def test_vxlan_of_no_network_of_the_lab_is_told_apart(there: There) -> None:
    with there.live() as live, there.live(foreign=False) as own:
        assert live.wait_listening(120)
        assert own.wait_listening(120)
        there.send(FOREIGN)
        there.ping()
        row = until(live, lambda row: row.vni == FOREIGN)
        assert row.network == ""
        assert (row.inner_source, row.inner_destination) == ("192.0.2.1", "192.0.2.2")
        for machine in ("machine1", "machine2"):
            until(own, lambda row, machine=machine: row.machine == machine)  # type: ignore[misc]
        assert {row.network for row in own.since(0)} == {"overlaynet1"}
        wait_for("it is counted", lambda: [post.foreign for post in own.seen()] == [1, 1])


def test_a_flood_is_counted_and_not_shown(there: There) -> None:
    flood = 3000
    with there.live(keep=10, per_second=20) as live:
        assert live.wait_listening(120)
        there.send(FOREIGN, flood)

        def counted() -> bool:
            return all(post.packets >= flood for post in live.seen())

        wait_for("all are counted", counted)
        assert len(live.since(0)) <= 10
        for post in live.seen():
            assert 0 < post.shown < flood
            assert post.missed == post.packets - post.shown


def test_a_connection_that_is_cut_comes_again(there: There) -> None:
    with there.live() as live:
        assert live.wait_listening(120)
        before = tcpdumps(there.hosts[1])
        assert len(before) == 1
        there.hosts[1].exec("pkill", "-f", "^sshd.*: ops")

        def again() -> bool:
            now = tcpdumps(there.hosts[1])
            return bool(now) and now != before and live.seen()[1].listening

        wait_for("it listens again", again)
        there.ping()
        until(live, lambda row: row.machine == "machine2" and row.protocol == "ICMP echo reply")
        assert live.seen()[1].error == ""
    wait_for_none(there.hosts)


def test_a_machine_on_which_it_cannot_capture_is_named_and_the_other_goes_on(
    there: There,
) -> None:
    def other() -> Seen:
        return live.seen()[1]

    there.hosts[1].exec("mv", "/usr/bin/tcpdump", "/usr/bin/tcpdump.away")
    try:
        with there.live() as live:
            wait_for("it is said", lambda: other().error)
            assert "machine2: tcpdump has ended on eth0: " in other().error
            assert "tcpdump: not found" in other().error
            wait_for("the other listens", lambda: live.seen()[0].listening)
            there.ping()
            until(live, lambda row: row.machine == "machine1")
            there.hosts[1].exec("mv", "/usr/bin/tcpdump.away", "/usr/bin/tcpdump")
            assert live.wait_listening(120)
    finally:
        there.hosts[1].exec("mv", "/usr/bin/tcpdump.away", "/usr/bin/tcpdump", check=False)


_CHILD = """
import sys, time
from pathlib import Path
from provision.lab import load
from provision.lifecycle import running
from scenarios.evidence.encapsulation import vxlan
from scenarios.evidence.live import Live
with running.viewed(load.load(Path(sys.argv[1])), "check") as there:
    with Live(list(there.machines.values()), [vxlan()]) as live:
        print(live.wait_listening(120), flush=True)
        time.sleep(600)
"""


def test_nothing_stays_on_the_machines_of_a_killed_process(there: There) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(there.lab.file)],
        cwd=CLONE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout
        assert child.stdout.readline() == "True\n"
        assert [len(tcpdumps(host)) for host in there.hosts] == [1, 1]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    wait_for_none(there.hosts)
