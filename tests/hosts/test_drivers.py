"""Docker's network drivers on real daemons: each scenario is green here or says what it lacks, and
red where its network is another one. The whole of it runs with SWARMRIG_FAULTS=all."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.lab.model import Lab
from provision.lifecycle import destroy, up
from provision.support.errors import UserError
from scenarios.attachable import attachable
from scenarios.bridge import bridge
from scenarios.dnsrr import dnsrr
from scenarios.encrypted import encrypted
from scenarios.host import host
from scenarios.ipv6 import ipv6
from scenarios.kit import discovery
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.macvlan import macvlan
from scenarios.networks import networks
from scenarios.none import none
from scenarios.record import model
from scenarios.report.atlas import atlas, write_atlas
from scenarios.report.write import write_reports
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.typed import Learner
from tests.support.killed import killed_before
from tests.support.play import failed, play
from tests.support.progress import quiet

ALL = os.environ.get("SWARMRIG_FAULTS") == "all"
long = pytest.mark.skipif(not ALL, reason="minutes long: SWARMRIG_FAULTS=all runs it")
# What the kernel of light hosts lacks on every machine that tests have run on, or may lack.
LACKING = {"publish": "on existing hosts others could reach them"}
KERNEL = {"vip": "no IPVS", "encrypted": "no encryption of packets", "ipvlan": "of the kind ipvlan"}
ATLAS = sorted(name for name, one in discovery.found().items() if one.atlas)
QUICK = ("bridge", "attachable", "none")


def runs_or_lacks(name: str, record: model.Record) -> None:
    """It has passed, or was skipped for what is known to be missing."""
    if record.verdict == "skipped":
        assert {**LACKING, **KERNEL}[name] in "; ".join(record.missing)
        assert record.steps == []
        return
    reasons = [f"{step.number}: {step.reason}" for step in record.steps if step.reason]
    assert (record.verdict, failed(record), reasons) == ("passed", set(), [])


def test_the_atlas_of_some_networks_is_made_from_their_reports_alone(
    lab: Lab, tmp_path: Path
) -> None:
    sources = []
    for name in (*QUICK, *LACKING):
        record = play(discovery.get(name), lab, tmp_path / name)
        runs_or_lacks(name, record)
        sources.append((write_reports(record, tmp_path / name), record))
    page = write_atlas(sources, tmp_path / "atlas").read_text()
    rows = {row.name: row for row in atlas(sources, tmp_path / "atlas").rows}
    overlay = rows["attachnet1"]
    assert (overlay.by_address["other"].state, overlay.by_name["other"].state) == ("seen", "seen")
    assert (overlay.around.text, overlay.encrypted.text) == ("VXLAN", "no")
    assert overlay.mtu.text == "1450, 50 less than the underlay"
    assert sum(layer.size for layer in overlay.packet if layer.outer) == 50
    assert [layer.name for layer in overlay.packet][:5] == [
        *("Ethernet", "IPv4", "UDP", "VXLAN"),
        "Ethernet",
    ]
    assert rows["bridge"].by_name["same"].state == "missing"
    assert rows["bridge"].by_address["between"].state == "missing"
    assert rows["bridgenet1"].by_name["same"].state == "seen"
    assert rows["bridgenet1"].around.text == "nothing leaves the machine"
    assert rows["none"].by_address["own machine"].state == "missing"
    for row in rows.values():
        links = [cell.link for cell in (*row.by_address.values(), *row.by_name.values())]
        links += [fact.link for fact in (row.encrypted, row.mtu, row.rtt) if fact.link]
        for link in links:
            report, _, step = link.partition("#")
            linked = (tmp_path / "atlas" / report).resolve().read_text()
            assert f'id="{step}"' in linked
            assert f'href="{link}"' in page
    assert "on existing hosts others could reach them" in page


@long
@pytest.mark.parametrize("name", [name for name in ATLAS if name not in (*QUICK, *LACKING)])
def test_every_network_of_the_atlas(name: str, lab: Lab, tmp_path: Path) -> None:
    record = play(discovery.get(name), lab, tmp_path)
    if name == "overlay" and record.skipped():  # its own tests say more of it
        assert (record.verdict, failed(record)) == ("passed", set())
        return
    runs_or_lacks(name, record)


# -- red where the network is another one ---------------------------------------------------------


def changed(scenario: Scenario, number: str, old: str, new: str) -> Scenario:
    """The scenario with one step's command changed."""
    other = copy.copy(scenario)
    plan = next(plan for plan in scenario.steps if plan.number == number)
    assert old in plan.run
    wrong = dataclasses.replace(plan, run=plan.run.replace(old, new))
    other.steps = [wrong if one is plan else one for one in scenario.steps]
    return other


WRONG = {
    "not the default network": (bridge, "3", "--name bridge2", "--name bridge2 --network none"),
    "a network of its own": (host, "1", "--network host", "--network bridge"),
    "an interface too many": (none, "1", "--network none", "--network bridge"),
    "not attachable": (attachable, "1", "--attachable ", ""),
    "a virtual address": (dnsrr, "2", "--endpoint-mode dnsrr", "--endpoint-mode vip"),
    "on one network only": (networks, "5", "--network backnet1 ", ""),
    "without IPv6": (ipv6, "1", "--ipv6 --subnet", "--subnet"),
    "a bridge instead": (macvlan, "2", "-d macvlan", "-d bridge"),
}
SEEN = {
    "not the default network": "bridge2 is in the network bridge alone",
    "a network of its own": "host1 has the machine's own address on the underlay",
    "an interface too many": "its only interface is lo",
    "not attachable": "it is attachable",
    "a virtual address": "the service has no virtual address",
    "on one network only": "app1 has an address in backnet1",
    "without IPv6": "it has IPv6",
    "a bridge instead": "the network's driver is the one given",
}


@pytest.mark.parametrize(
    "wrong", [name if not at else pytest.param(name, marks=long) for at, name in enumerate(WRONG)]
)
def test_another_network_than_the_one_meant_is_seen(wrong: str, lab: Lab, tmp_path: Path) -> None:
    record = play(changed(*WRONG[wrong]), lab, tmp_path)
    steps = {step.number: step for step in record.steps}
    reasons = [step.reason for step in record.steps if step.state == "error"]
    assert SEEN[wrong] in failed(record) or steps[WRONG[wrong][1]].state == "error", reasons
    assert record.verdict in {"failed", "error"}
    assert steps["0"].state == "passed"


def test_an_overlay_network_that_is_not_encrypted_is_seen_to_be_readable(
    lab: Lab, tmp_path: Path
) -> None:
    readable = changed(encrypted, "1", "--opt encrypted ", "")
    readable.requires = ()  # the kernel's ESP is not needed for it
    wrong = failed(play(readable, lab, tmp_path))
    assert "it is encrypted" in wrong
    assert any(what.startswith("ESP passes") for what in wrong)
    assert any(what.startswith("nothing between 10.46.2.") for what in wrong)


@long
def test_networks_of_a_machine_that_are_not_kept_apart_are_seen(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    def open_up(plan: StepPlan) -> None:
        if plan.number == "9":
            two_hosts[0].exec("iptables", "-I", "DOCKER-USER", "-j", "ACCEPT")

    try:
        record = play(bridge, lab, tmp_path, before=open_up)
    finally:
        two_hosts[0].exec("iptables", "-D", "DOCKER-USER", "-j", "ACCEPT", check=False)
    assert [what for what in failed(record) if "bridge3 does not answer bridge1" in what]


@long
@pytest.mark.parametrize("scenario", [attachable, host, macvlan], ids=lambda one: one.name)
def test_an_underlay_that_drops_pings_is_seen(
    scenario: Scenario, lab: Lab, fabric: Fabric, tmp_path: Path
) -> None:
    kind = ("-p", "udp", "--dport", "4789") if scenario is attachable else ("-p", "icmp")
    with fabric.dropping(*kind):
        record = play(scenario, lab, tmp_path)
    assert record.verdict == "failed"
    assert any("answer" in what for what in failed(record))


# -- typed by hand --------------------------------------------------------------------------------


LEARNT = [name for name in ATLAS if name not in {"overlay", *LACKING, *KERNEL}]


@pytest.mark.parametrize(
    "name", [name if name == "none" else pytest.param(name, marks=long) for name in LEARNT]
)
def test_each_step_is_open_until_it_is_done_and_then_seen_done(
    name: str, lab: Lab, two_hosts: list[Host]
) -> None:
    Learner(lab, two_hosts, discovery.get(name)).solves_all()


# -- what is not the lab's ------------------------------------------------------------------------


def names(host: Host) -> list[str]:
    return sorted(host.exec("docker", "ps", "-a", "--format", "{{.Names}}").stdout.split())


def test_a_container_of_somebody_elses_is_refused_and_stays(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    machine2 = two_hosts[1]
    machine2.exec("docker", "run", "-d", "-t", "--name", "bridge5", roots.TAG)
    try:
        with pytest.raises(UserError, match="already has container bridge5 on machine2"):
            play(bridge, lab, tmp_path)
        assert names(machine2) == ["bridge5"]
    finally:
        machine2.exec("docker", "rm", "-f", "bridge5")


@pytest.fixture
def own_lab(fabric: Fabric, lab_of: Labs) -> Callable[[], tuple[list[Host], Lab]]:
    """A lab over two hosts that this test alone uses, not up yet."""

    def make() -> tuple[list[Host], Lab]:
        hosts = fabric.add("machine17", "machine18")
        for one in hosts:
            one.load_image()
        return hosts, lab_of(hosts)

    return make


def test_containers_and_networks_of_a_killed_run_go_with_the_lab(
    own_lab: Callable[[], tuple[list[Host], Lab]], fabric: Fabric, tmp_path: Path
) -> None:
    hosts, lab = own_lab()
    try:
        hosts[0].exec("docker", "run", "-d", "-t", "--name", "theirs", roots.TAG)
        up.up(lab, quiet())
        with killed_before("11") as end:
            play(bridge, lab, tmp_path, before=end)
        assert names(hosts[0]) == ["bridge1", "bridge2", "bridge3", "bridge4", "theirs"]
        assert names(hosts[1]) == ["bridge5"]
        removed = destroy.destroy(lab, quiet())
        assert "container bridge5" in removed
        assert "network bridgenet1" in removed
        assert (names(hosts[0]), names(hosts[1])) == (["theirs"], [])
    finally:
        fabric.remove(*hosts)
