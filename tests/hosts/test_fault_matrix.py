"""Planted faults are found, with layer and cause, and oddities raise no alarm.

The network and its two services are created once; for each fault the steps of the overlay exercise
that cross between the hosts are run. SWARMRIG_FAULTS=all plants those as well that are not quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.changes import journal
from provision.faults.making import Faults
from provision.lab.model import Lab
from provision.lifecycle import running
from scenarios.checks import diagnosis, network
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step
from scenarios.overlay import NETWORK, SUBNET
from scenarios.record import model
from tests.hosts import root as roots
from tests.hosts.faults import FAULTS, ODDITIES, Fault, World
from tests.hosts.light_hosts import Fabric, Host
from tests.support.play import play

ALL = os.environ.get("SWARMRIG_FAULTS") == "all"


def chosen(faults: tuple[Fault, ...]) -> list[Fault]:
    return [fault for fault in faults if ALL or fault.quick]


def crossing(names: bool) -> Scenario:
    """The steps of the exercise that cross, over a network and services which exist."""
    made = Scenario("crossing", exercise="-", title="t", summary="s")

    @made.step(1, "The network", on="machine1")
    def look(step: Step) -> None:
        network.remember_network(step, step.network(NETWORK))

    for number in ("1", "2"):

        @made.step(f"2.{number}", "The task", on=f"machine{number}", run="docker ps")
        def task(step: Step, number: str = number) -> None:
            network.remember_task(step, f"alpine-overlay{number}", f"task{number}", NETWORK)

    for way in ("2>1", "1>2"):

        @made.step(f"3.{way[0]}", "The path", on=f"machine{way[0]}")
        def cross(step: Step, way: str = way) -> None:
            if names:
                network.expect_name_answers(
                    step, step.names[f"task{way[0]}"], f"alpine-overlay{way[2]}"
                )
            network.expect_path(step, way, NETWORK, network.swarm_vxlan(step))

    return made


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    """What was found, missed and raised for nothing; shown when the module has ended."""
    kept: dict[str, list[str]] = {"found": [], "missed": [], "false alarms": [], "quiet": []}
    yield kept
    planted = len(kept["found"]) + len(kept["missed"])
    alarms = len(kept["false alarms"])
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nfaults found: {len(kept['found'])} of {planted} {kept['missed'] or ''}")
        print(f"false alarms: {alarms} of {alarms + len(kept['quiet'])}")


@pytest.fixture
def world(lab: Lab, two_hosts: list[Host], fabric: Fabric) -> Iterator[World]:
    """The overlay network with a service's task on each host; made once, and left for the next."""
    one, two = two_hosts
    if NETWORK not in one.exec("docker", "network", "ls", "--format", "{{.Name}}").stdout.split():
        one.exec("docker", "network", "create", "-d", "overlay", "--subnet", SUBNET, NETWORK)
        for number, host in enumerate(two_hosts, start=1):
            info = host.exec("docker", "info", "--format", "{{json .Swarm.NodeID}}").stdout
            one.exec(
                *("docker", "service", "create", "-q", "-t", "--network", NETWORK),
                *("--name", f"alpine-overlay{number}", "--no-resolve-image"),
                *("--constraint", f"node.id=={json.loads(info)}", roots.TAG),
            )
    with running.machines_of(lab) as machines:
        yield World(fabric, one, two, lambda: Faults(lab, machines, journal.of_lab(lab)))


def judged(fault: Fault, world: World, lab: Lab, folder: Path) -> model.Diagnosis | None:
    """What a run says while the fault is planted."""
    with fault.plant(world):
        record = play(crossing(fault.names), lab, folder)
    assert [step.reason for step in record.steps if step.state == "error"] == []
    return diagnosis.diagnose(record) if record.count(passed=False) else None


@pytest.mark.parametrize("fault", chosen(FAULTS), ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_with_its_layer_and_cause(
    fault: Fault, world: World, lab: Lab, tmp_path: Path, tally: dict[str, list[str]]
) -> None:
    found = judged(fault, world, lab, tmp_path)
    right = found is not None and found.layer == fault.layer and fault.cause in found.cause
    tally["found" if right else "missed"].append(fault.name)
    assert right, found


@pytest.mark.parametrize("oddity", chosen(ODDITIES), ids=lambda fault: fault.name)
def test_an_oddity_raises_no_alarm(
    oddity: Fault, world: World, lab: Lab, tmp_path: Path, tally: dict[str, list[str]]
) -> None:
    found = judged(oddity, world, lab, tmp_path)
    tally["false alarms" if found else "quiet"].append(oddity.name)
    assert found is None
