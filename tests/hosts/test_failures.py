"""Scenarios that break something, on real daemons: each sees what it says, and leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.cli import faults
from provision.faults import library
from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import rebuild, running, up
from scenarios.cli import learn
from scenarios.failover import failover
from scenarios.frozen import frozen
from scenarios.kit.scenario import Scenario
from scenarios.lossy import lossy
from scenarios.narrow import narrow
from scenarios.quorum import quorum
from scenarios.record import model, timeline
from scenarios.report import compare
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.taping import tape_again
from tests.hosts.typed import Learner
from tests.support.play import play
from tests.support.progress import quiet
from tests.vxlan_driver import package

# Their tapes are judged in every run of the unit tier.
slow_to_run = pytest.mark.skipif(
    os.environ.get("SWARMRIG_FAULTS") != "all",
    reason="a minute each: SWARMRIG_FAULTS=all runs them",
)


def healed(record: model.Record) -> None:
    """The fault was there while the steps ran, and is healed."""
    assert [one.healed for one in record.faults] == ["step"]
    assert [line.notes for line in record.timelines] == [[]]


def test_a_node_that_dies_loses_its_task_to_another_and_does_not_get_it_back(
    lab: Lab, tmp_path: Path
) -> None:
    record = tape_again("failover", lab, tmp_path)
    healed(record)
    # Light hosts have no power of their own: the node is cut off instead.
    assert [one.kind for one in record.faults] == ["partition"]


def test_a_daemon_that_hangs_is_replaced_though_its_task_runs_on(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("frozen", lab, tmp_path))


@slow_to_run
def test_what_is_lost_on_the_underlay_is_lost_in_the_overlay(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("lossy", lab, tmp_path))


@slow_to_run
def test_an_mtu_that_is_wrong_lets_pings_pass_and_hangs_tcp(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("narrow", lab, tmp_path))


@slow_to_run
def test_the_same_failure_over_two_drivers_is_on_a_page_of_its_own(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    settings = package.settings(host.address for host in two_hosts)
    plugin = PluginSpec(package.NAME, package.archive(), settings=settings)
    overlay = tape_again("cut", lab, tmp_path / "overlay")
    other = tape_again("cut_weave", replace(lab, weave=plugin), tmp_path / "other")
    for record in (overlay, other):
        healed(record)
    compare.write_comparison([overlay, other], tmp_path)
    page = (tmp_path / "failure.md").read_text()
    ping = "ping task1 to address2"
    for what in (f"healing → {ping} answered", f"longest gap of the {ping}"):
        (row,) = (line for line in page.splitlines() if what in line)
        assert "not seen" not in row


# -- by hand --------------------------------------------------------------------------------------


@pytest.fixture
def learner(request: pytest.FixtureRequest, lab: Lab, two_hosts: list[Host]) -> Iterator[Learner]:
    one = Learner(lab, two_hosts, request.param)
    one.forget()
    yield one
    faults.heal(str(lab.file), "")
    one.forget()


@pytest.mark.parametrize("learner", [frozen], indirect=True)
def test_who_breaks_it_by_hand_is_judged_though_an_engine_does_not_answer(
    learner: Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(learner.lab.file)
    create = "docker service create -q -t --replicas 2 --stop-grace-period 1s --name frozen1"
    learner.types(f"{create} --no-resolve-image {roots.TAG}")
    learner.wait_for("1", "2")
    learn.hint(running.viewed, file, "frozen", stage=3)
    said = " ".join(capsys.readouterr().out.split())
    assert "On this host: $ inv fault.freeze-daemon machine2 --for 900" in said
    faults.make(file, library.freeze_daemon("machine2"), "900")
    learner.wait_for("3", "4", "5")
    # Waiting for what a silent engine has to say is no mistake of the learner's.
    assert learner.mistake() is None
    capsys.readouterr()
    learn.check(running.viewed, file, "frozen")
    assert "on this host: inv fault.heal --machine machine2" in capsys.readouterr().out
    faults.heal(file, "machine2")
    learner.wait_for("6")
    learner.types("docker service rm frozen1")
    learner.wait_for("7")


@pytest.mark.parametrize("learner", [failover], indirect=True)
def test_steps_that_break_and_heal_are_done_for_the_learner(learner: Learner) -> None:
    file = str(learner.lab.file)
    learn.catch_up(running.opened, rebuild.to_ready, file, "failover", "6")
    with learner.exercise() as exercise:
        assert [one.kind for one in exercise.faults.listed()] == ["partition", "partition"]
    learn.solve(running.opened, file, "failover", "6")
    with learner.exercise() as exercise:
        assert exercise.faults.listed() == []
    learn.solve(running.opened, file, "failover", "7")
    learn.solve(running.opened, file, "failover", "8")
    assert learn.check(running.viewed, file, "failover")


@slow_to_run
@pytest.mark.parametrize("learner", [frozen, lossy, narrow], indirect=True)
def test_each_step_is_done_for_the_learner(learner: Learner) -> None:
    learner.solves_all()


# -- three managers -------------------------------------------------------------------------------


@pytest.fixture
def third(two_hosts: list[Host], fabric: Fabric) -> Iterator[Host]:
    (host,) = fabric.add("machine3")
    host.load_image()
    yield host
    fabric.remove(host)


def test_two_of_three_managers_go_on_and_one_of_three_does_not(
    two_hosts: list[Host], third: Host, lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of([*two_hosts, third], managers=3)
    up.up(lab, quiet())
    healed(tape_again("quorum", lab, tmp_path))


def leads(host: Host) -> str:
    """The name of the node that leads the swarm, as a manager lists them."""
    form = "{{.Hostname}} {{.ManagerStatus}}"
    listed = host.exec("docker", "node", "ls", "--format", form, check=False).stdout
    leader = [line.split()[0] for line in listed.splitlines() if line.endswith(" Leader")]
    return leader[0] if leader else ""


@slow_to_run
@pytest.mark.parametrize("scenario", [failover, frozen], ids=lambda one: str(one.name))
def test_the_node_that_is_lost_may_lead_the_swarm(
    scenario: Scenario, two_hosts: list[Host], third: Host, lab_of: Labs, tmp_path: Path
) -> None:
    hosts = [*two_hosts, third]
    lab = lab_of(hosts, managers=3)
    up.up(lab, quiet())
    by_name = {host.name: host for host in hosts}
    lost = by_name["machine2"]

    def it_leads() -> bool:
        leader = leads(lost)
        if leader not in ("", lost.name):
            by_name[leader].exec("systemctl", "restart", "docker")
        return leader == lost.name

    wait_for("the second node to lead", it_leads, 240)
    told: list[str] = []
    record = play(scenario, lab, tmp_path, told)
    assert record.verdict == "passed", told
    healed(record)
    (line,) = record.timelines
    leaders = [event.state for event in timeline.events(line, "leader")]
    assert leaders[0] == lost.name
    assert set(leaders) - {lost.name, "none"}


@slow_to_run
def test_each_step_about_a_quorum_is_done_for_the_learner(
    two_hosts: list[Host], third: Host, lab_of: Labs
) -> None:
    lab = lab_of([*two_hosts, third], managers=3)
    up.up(lab, quiet())
    try:
        Learner(lab, [*two_hosts, third], quorum).solves_all()
    finally:
        faults.heal(str(lab.file), "")
