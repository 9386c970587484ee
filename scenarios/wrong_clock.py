"""A worker that comes back with a wrong clock: what swarm makes of its certificate.

Every node of a swarm has a certificate that is valid from an hour before it was issued, for 90
days. Connections that are open stay; the next one is refused, in either direction.
Source: https://docs.docker.com/engine/swarm/how-swarm-mode-works/pki/
"""

from __future__ import annotations

import re
from datetime import datetime

from provision.faults import library
from provision.machine.machine import Machine
from scenarios.checks import failures, network
from scenarios.kit.requires import MAJORITY_LEFT, OWN_CLOCK
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SERVICE = "clock1"
YEAR = 365 * 86400
NOT_VALID = "not yet valid"
RESTART = "sudo systemctl restart docker"


def as_before(machines: list[Machine]) -> None:
    """A daemon that could not join for its clock does not try again by itself."""
    for machine in machines:
        if _swarm(machine).get("LocalNodeState") == "error":
            machine.run("systemctl restart docker", 180, sudo=True)
    failures.whole_again(machines)


wrong_clock = Scenario(
    "wrong_clock",
    exercise="-",
    title="A worker with a wrong clock",
    summary="A worker's clock is a year behind, as with an empty battery. Nothing happens until "
    "its daemon starts again: then its own certificate is not valid yet, and it cannot join.",
    requires=(OWN_CLOCK, MAJORITY_LEFT),
    services=(SERVICE,),
    restore=as_before,
)


@wrong_clock.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@wrong_clock.step(
    2,
    "Start a service with a task for each node",
    on="machine1",
    run=f"docker service create -t --replicas {{replicas}} --stop-grace-period 1s --name {SERVICE} "
    "--no-resolve-image {image}",
    service=SERVICE,
    needs=[1],
)
def start_service(step: Step) -> None:
    failures.expect_one_on_each(step, SERVICE)


@wrong_clock.step(
    3,
    "The second host's clock is a year behind, and nothing happens",
    on=("machine1", "machine2"),
    breaks=library.clock("machine2", seconds=-YEAR),
    lasts=1800,
    watches=[SERVICE],
    run="date",
    needs=[2],
    why="A certificate is looked at when a connection is made. This one is open.",
)
def clock_is_wrong(step: Step) -> None:
    first, second = (_time(machine) for machine in step.machines)
    behind = (first - second).total_seconds()
    step.expect(
        f"{step.machines[1].name} is a year behind",
        expected="365 days",
        seen=f"{round(behind / 86400)} days",
        machine=step.machines[1],
    )
    failures.expect_state(step, "machine2", "ready")


@wrong_clock.step(
    4,
    "Its daemon starts again, and cannot join",
    on="machine2",
    run=RESTART,
    needs=[3],
    why="Now it needs a new connection, and by its clock its certificate is not valid yet.",
)
def cannot_join(step: Step) -> None:
    swarm = failures.patiently(
        step,
        lambda: _swarm(step.machine),
        lambda found: found.get("LocalNodeState") == "error",
    )
    step.expect("its part of the swarm", expected="error", seen=swarm.get("LocalNodeState"))
    said = swarm.get("Error", "")
    step.expect(
        "it says that the certificate is not valid yet",
        expected=NOT_VALID,
        seen=said,
        passed=NOT_VALID in said,
        proves="`docker info` has the reason; `docker node ls` on the manager only says Down.",
    )
    if step.acted:
        step.run("docker info --format '{{.Swarm.LocalNodeState}}: {{.Swarm.Error}}'", must=False)


@wrong_clock.step(
    5,
    "The manager has it as down, and replaces its task",
    on="machine1",
    book="docker node ls",
    needs=[4],
)
def node_is_down(step: Step) -> None:
    failures.expect_state(step, "machine2", "down", proves=failures.DOWN_PROVES)
    failures.expect_moved(step, SERVICE, away="machine2")
    failures.show(step)


@wrong_clock.step(
    6,
    "The clock is right again, which is not enough",
    on="machine2",
    heals=3,
    book="docker info --format '{{.Swarm.LocalNodeState}}'",
    needs=[4],
    why="The daemon has given up, and does not try again by itself.",
)
def not_enough(step: Step) -> None:
    state = _swarm(step.machine).get("LocalNodeState")
    step.expect("its part of the swarm is as before", expected="error", seen=state)
    failures.show(step)


@wrong_clock.step(
    7,
    "Its daemon starts once more, and joins",
    on="machine2",
    run=RESTART,
    needs=[6],
)
def joins(step: Step) -> None:
    swarm = failures.patiently(
        step,
        lambda: _swarm(step.machine),
        lambda found: found.get("LocalNodeState") == "active",
    )
    step.expect("its part of the swarm", expected="active", seen=swarm.get("LocalNodeState"))


@wrong_clock.step(
    8,
    "All nodes are Ready",
    on="machine1",
    book="docker node ls",
    needs=[7],
)
def ready_again(step: Step) -> None:
    failures.expect_all_ready(step)
    failures.show(step)


@wrong_clock.step(
    9,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove(step: Step) -> None:
    network.expect_no_containers(step, [SERVICE])


# -- looking --------------------------------------------------------------------------------------


def _swarm(machine: Machine) -> dict[str, str]:
    """What an engine says of its part of the swarm."""
    return dict(machine.docker.info().get("Swarm") or {})


def _time(machine: Machine) -> datetime:
    """The time of a machine, by its engine: RFC 3339 with up to nine digits of the second."""
    text = str(machine.docker.info()["SystemTime"])
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
