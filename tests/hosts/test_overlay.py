"""The overlay exercise on real daemons: green where it works, and red for each way it can fail."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.lab.model import Lab
from provision.support.errors import UserError
from scenarios.checks import diagnosis
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.overlay import overlay
from scenarios.record import model
from tests.hosts import root as roots
from tests.hosts.light_hosts import Fabric, Host
from tests.support.play import failed, skipped
from tests.support.play import play as play_scenario

# A service's virtual address answers nobody on light hosts.
NO_IPVS = {
    f"machine{number}": f"the kernel of machine{number} has no IPVS" for number in range(1, 21)
}

Play = Callable[..., model.Record]


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Play:
    def go(
        scenario: Scenario = overlay,
        before: Callable[[StepPlan], None] | None = None,
        told: list[str] | None = None,
    ) -> model.Record:
        return play_scenario(scenario, lab, tmp_path / "report", told, before)

    return go


def layer_of(result: model.Record) -> str:
    """The layer that the diagnosis names."""
    found = diagnosis.diagnose(result)
    return found.layer if found else "none"


def changed(number: str, **more: str) -> Scenario:
    """The exercise with one step's command changed."""
    other = copy.copy(overlay)
    other.steps = [
        dataclasses.replace(plan, **more) if plan.number == number else plan  # type: ignore[arg-type]
        for plan in overlay.steps
    ]
    return other


def test_every_expectation_is_met_or_needs_ipvs(play: Play, tmp_path: Path) -> None:
    result = play()
    assert (result.verdict, failed(result)) == ("passed", set())
    assert skipped(result) == {name: NO_IPVS[name] for name in ("machine1", "machine2")}
    assert len(result.skipped()) == 4
    assert [f"{step.number}: {step.reason}" for step in result.steps if step.reason] == []
    assert {step.state for step in result.steps if step.number not in {"14", "15"}} == {"passed"}
    assert all(step.captures for step in result.steps if step.number in {"14", "15"})
    assert len(list((tmp_path / "report" / "raw").glob("*.pcap"))) == 4


def test_vxlan_that_does_not_cross_is_seen(play: Play, fabric: Fabric) -> None:
    with fabric.dropping("-p", "udp", "--dport", "4789"):
        result = play()
    assert any("own address" in what for what in failed(result))
    assert any("VXLAN" in what for what in failed(result))


def test_both_tasks_on_one_node_is_seen(play: Play) -> None:
    plan = next(plan for plan in overlay.steps if plan.number == "8")
    result = play(changed("8", run=plan.run.replace("{node2}", "{node1}")))
    assert "the task of alpine-overlay2 is on machine2" in failed(result)
    assert layer_of(result) == "placement"


def test_a_wrong_subnet_is_seen(play: Play) -> None:
    plan = next(plan for plan in overlay.steps if plan.number == "5")
    result = play(changed("5", run=plan.run.replace("172.45.0.0/16", "172.46.0.0/16")))
    assert "the network has the subnet given in the command" in failed(result)
    assert "its address in overlaynet1 is inside 172.45.0.0/16" in failed(result)


def test_a_missing_image_ends_the_wait_with_the_tasks_own_error(
    play: Play, two_hosts: list[Host]
) -> None:
    two_hosts[1].exec("docker", "image", "rm", roots.TAG)
    told: list[str] = []
    try:
        result = play(told=told)
    finally:
        two_hosts[1].load_image()
    steps = {step.number: step for step in result.steps}
    assert steps["8"].state == "error"
    assert "No such image" in steps["8"].reason
    assert any("No such image" in text for text in told)
    assert steps["14"].state == "skipped"
    assert steps["0"].state == "passed"
    assert layer_of(result) == "task start"


def test_a_daemon_that_is_killed_in_the_middle_is_seen(play: Play, two_hosts: list[Host]) -> None:
    def kill(plan: StepPlan) -> None:
        if plan.number == "12":
            two_hosts[1].exec("systemctl", "stop", "docker.socket", "docker")

    try:
        result = play(before=kill)
    finally:
        two_hosts[1].exec("systemctl", "start", "docker")
        two_hosts[1].wait_ready()
    steps = {step.number: step for step in result.steps}
    assert steps["12"].state == "error"
    assert result.verdict == "error"
    assert layer_of(result) == "engine"


def test_a_node_that_is_drained_in_between_is_named(play: Play, two_hosts: list[Host]) -> None:
    node = two_hosts[1].exec("docker", "info", "--format", "{{.Swarm.NodeID}}").stdout.strip()

    def drain(plan: StepPlan) -> None:
        if plan.number == "8":
            two_hosts[0].exec("docker", "node", "update", "--availability", "drain", node)

    try:
        result = play(before=drain)
    finally:
        two_hosts[0].exec("docker", "node", "update", "--availability", "active", node)
    steps = {step.number: step for step in result.steps}
    assert steps["8"].state == "error"
    assert layer_of(result) == "task start"
    found = diagnosis.diagnose(result)
    assert found
    assert "no node may take the task" in found.cause


def test_a_service_of_somebody_elses_is_refused_and_stays(
    play: Play, two_hosts: list[Host]
) -> None:
    name = overlay.services[0]
    options = ("-d", "-q", "--name", name, "--replicas", "0", "--no-resolve-image", roots.TAG)
    two_hosts[0].exec("docker", "service", "create", *options)
    try:
        with pytest.raises(UserError, match=f"already has service {name}, not created by this lab"):
            play()
        listed = two_hosts[0].exec("docker", "service", "ls", "--format", "{{.Name}}").stdout
        assert listed.split() == [name]
    finally:
        two_hosts[0].exec("docker", "service", "rm", name)


def test_an_interrupt_cleans_up_and_keeps_the_record(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    def interrupt(plan: StepPlan) -> None:
        if plan.number == "9":
            assert threading.current_thread() is threading.main_thread()
            raise KeyboardInterrupt

    result = play(before=interrupt)
    assert result.verdict == "interrupted"
    assert (tmp_path / "report" / "report.json").is_file()
    assert two_hosts[0].exec("docker", "service", "ls", "-q").stdout == ""
    assert "overlaynet1" not in two_hosts[0].exec("docker", "network", "ls").stdout
