"""Nodes by hand, and the scenario that spreads tasks: on three real daemons, green and red."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.lab.model import Lab
from provision.lifecycle import dry_run, running, up
from provision.support.errors import MachineError, UserError
from provision.swarm.nodes import Nodes, contradiction
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.record import model
from scenarios.spread import spread
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.support.play import failed
from tests.support.play import play as play_scenario
from tests.support.progress import quiet

Play = Callable[..., model.Record]


@pytest.fixture(scope="module")
def three_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine11", "machine12", "machine13")
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


@pytest.fixture
def lab(three_hosts: list[Host], lab_of: Labs) -> Lab:
    made = lab_of(three_hosts)
    up.up(made, quiet())
    return made


@pytest.fixture
def nodes(lab: Lab) -> Iterator[Nodes]:
    with running.machines_of(lab) as machines:
        yield Nodes(machines, quiet())


def state(host: Host, check: bool = True) -> list[str]:
    form = "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}"
    lines = host.exec("docker", "node", "ls", "--format", form, check=check).stdout.splitlines()
    return sorted(line.strip() for line in lines)


@pytest.fixture
def service(three_hosts: list[Host]) -> Iterator[str]:
    options = "-q -t --name web --replicas 3 --stop-grace-period 1s --no-resolve-image"
    three_hosts[0].exec("docker", "service", "create", *options.split(), roots.TAG)
    yield "web"
    three_hosts[0].exec("docker", "service", "rm", "web")


def rows(nodes: Nodes) -> dict[str, dict[str, str]]:
    return {row["machine"]: row for row in nodes.table()}


# -- by hand --------------------------------------------------------------------------------------


def test_a_drained_node_has_no_tasks_when_the_verb_has_ended_and_takes_them_again_when_active(
    nodes: Nodes, service: str
) -> None:
    assert [row["tasks"] for row in rows(nodes).values()] == ["1", "1", "1"]
    for _ in range(2):
        nodes.drain("machine12")
        assert rows(nodes)["machine12"]["availability"] == "drain"
        assert rows(nodes)["machine12"]["tasks"] == "0"
        assert sum(int(row["tasks"]) for row in rows(nodes).values()) == 3
    for _ in range(2):
        nodes.activate("machine12")
        assert rows(nodes)["machine12"]["availability"] == "active"


def test_tasks_that_have_no_place_elsewhere_are_told_with_their_service(
    nodes: Nodes, service: str, three_hosts: list[Host]
) -> None:
    constraint = "node.hostname==machine12"
    three_hosts[0].exec("docker", "service", "update", "-d", "--constraint-add", constraint, "web")
    three_hosts[0].exec("docker", "service", "update", "--force", "web")
    try:
        with pytest.raises(MachineError, match="service web runs 0 of 3: no suitable node"):
            nodes.drain("machine12", patience=10)
    finally:
        nodes.activate("machine12")


def test_managers_are_made_and_unmade_but_never_the_last_one(nodes: Nodes, lab: Lab) -> None:
    with pytest.raises(UserError, match="machine11 is the swarm's last manager"):
        nodes.demote("machine11")
    for _ in range(2):
        nodes.promote("machine12")
    assert rows(nodes)["machine12"]["manager"] == "reachable"
    assert "calls machine12 a worker" in contradiction(lab, "machine12", "promote")
    assert contradiction(lab, "machine12", "demote") == ""
    for _ in range(2):
        nodes.demote("machine12")
    assert rows(nodes)["machine12"]["manager"] == ""


def test_a_demotion_that_would_take_the_quorum_away_is_refused(
    lab: Lab, nodes: Nodes, three_hosts: list[Host]
) -> None:
    nodes.promote("machine12")
    nodes.promote("machine13")
    three_hosts[2].exec("systemctl", "stop", "docker.socket", "docker")
    try:
        Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.5), retry=retry_if_result(bool))(
            lambda: rows(nodes)["machine13"]["manager"] != "unreachable"
        )
        with pytest.raises(UserError, match="of its 2 other managers 1 can be reached"):
            nodes.demote("machine12")
        # The one that is lost may go.
        nodes.demote("machine13")
    finally:
        three_hosts[2].exec("systemctl", "start", "docker")
        three_hosts[2].wait_ready()
    nodes.demote("machine12")
    # It was demoted while it was down, and does not find back by itself.
    up.up(lab, quiet())
    assert [line.split()[1] for line in state(three_hosts[0])] == ["Ready"] * 3


def test_the_leader_may_be_demoted_and_up_makes_it_what_the_lab_says(
    lab: Lab, nodes: Nodes, three_hosts: list[Host]
) -> None:
    before = state(three_hosts[0])
    nodes.promote("machine12")
    nodes.demote("machine11")
    assert "machine12 Ready Active Leader" in state(three_hosts[1])
    foretold = dry_run.dry_run(lab, quiet())
    assert "make it a manager" in foretold
    assert "make it a worker" in foretold
    up.up(lab, quiet())
    assert state(three_hosts[0]) == before


# -- the scenario ---------------------------------------------------------------------------------


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Play:
    def go(
        scenario: Scenario = spread, before: Callable[[StepPlan], None] | None = None
    ) -> model.Record:
        return play_scenario(scenario, lab, tmp_path / "report", before=before)

    return go


def some(*numbers: int, **changed: str) -> Scenario:
    """Some steps of the scenario; the plan of the last one is changed."""
    other = copy.copy(spread)
    last = str(numbers[-1])
    other.steps = [
        dataclasses.replace(plan, **changed) if plan.number == last else plan  # type: ignore[arg-type]
        for plan in spread.steps
        if int(plan.number) in numbers
    ]
    return other


def test_all_that_is_said_of_spreading_is_seen_and_the_nodes_are_as_before(
    play: Play, three_hosts: list[Host]
) -> None:
    before = state(three_hosts[0])
    result = play()
    reasons = [step.reason for step in result.steps if step.reason]
    assert (failed(result), reasons, result.verdict) == (set(), [], "passed")
    assert state(three_hosts[0]) == before


def impatient_at(number: int, patch: pytest.MonkeyPatch) -> Callable[[StepPlan], None]:
    """What is not to come is not waited for; what has to come before it is."""

    def before(plan: StepPlan) -> None:
        if plan.number == str(number):
            patch.setattr("scenarios.spread.PATIENCE", 3)

    return before


def test_tasks_that_are_not_spread_are_seen(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(plan.run for plan in spread.steps if plan.number == "2")
    uneven = some(1, 2, run=run.replace("-t ", "-t --constraint node.hostname=={host1} ", 1))
    result = play(uneven, impatient_at(2, monkeypatch))
    assert failed(result) == {"two tasks run on each node"}


def test_a_drain_that_moves_nothing_is_seen(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = some(1, 2, 3, run="docker node update --availability pause {host2}")
    result = play(idle, impatient_at(3, monkeypatch))
    assert failed(result) == {"it is drained", "no task runs there any more"}


def test_a_node_that_does_not_step_down_is_seen(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = play(some(1, 2, 6, 7, run="docker node ls"), impatient_at(7, monkeypatch))
    # Who leads may have changed by itself, on a busy machine.
    assert "the first node is a worker" in failed(result)
    assert failed(result) <= {"one node leads, and not the first", "the first node is a worker"}


def test_an_end_in_the_middle_leaves_every_node_as_the_lab_has_it(
    play: Play, three_hosts: list[Host]
) -> None:
    before = state(three_hosts[0])

    def interrupt(plan: StepPlan) -> None:
        if plan.number == "7":
            three_hosts[1].exec("docker", "node", "update", "--availability", "drain", "machine13")
            three_hosts[1].exec("docker", "node", "demote", "machine11")
            raise KeyboardInterrupt

    result = play(some(1, 2, 6, 7), interrupt)
    assert (result.verdict, [step.reason for step in result.steps if step.reason]) == (
        "interrupted",
        [],
    )
    # A demotion that is taken back in its middle takes the engine a moment to see.
    Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_result(bool))(
        lambda: state(three_hosts[0], check=False) != before
    )
    assert three_hosts[0].exec("docker", "service", "ls", "-q").stdout == ""
