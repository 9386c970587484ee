"""A node dies: what the swarm sees of it, how its task moves, and what happens when it is back.

A virtual machine of the lab loses its power. Where that cannot be (existing hosts, containers), it
is cut off from the others: to the manager the two look the same.
Source: https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/
"""

from __future__ import annotations

from provision.faults import library
from scenarios.checks import failures, network
from scenarios.kit.requires import MAJORITY_LEFT
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SERVICE = "failover1"

failover = Scenario(
    "failover",
    exercise="-",
    title="A node dies",
    summary="The swarm notices that a node is gone, starts its task on another one, and leaves it "
    "there when the node comes back.",
    services=(SERVICE,),
    requires=(MAJORITY_LEFT,),
    restore=failures.whole_again,
)


@failover.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@failover.step(
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


@failover.step(
    3,
    "The second node dies",
    on="machine1",
    breaks=[library.power_off("machine2"), library.partition("machine2")],
    lasts=300,
    watches=[SERVICE],
    pings=[("machine1", "machine2")],
    book="docker node ls",
    needs=[2],
    why="It tells nobody that it goes. The manager has it as Down when it has missed three "
    "heartbeats, one of which comes every five seconds.",
)
def node_dies(step: Step) -> None:
    failures.expect_state(step, "machine2", "down", proves=failures.DOWN_PROVES)
    failures.expect_in_time(step, 3, "node", "machine2", "down")
    failures.show(step)


@failover.step(
    4,
    "Its task is replaced",
    on="machine1",
    book=f"docker service ps {SERVICE}",
    needs=[3],
    why="The service is to have as many tasks as before, so the swarm starts another one on a node "
    "that is there.",
)
def task_moves(step: Step) -> None:
    failures.expect_moved(step, SERVICE, away="machine2")
    failures.expect_order(
        step, 3, ("node", "machine2", "down", ""), ("task", SERVICE, "running", "")
    )
    failures.expect_in_time(step, 3, "task", SERVICE, "running")
    failures.show(step)


@failover.step(
    5,
    "The lost task is still listed as running",
    on="machine1",
    book=f"docker service ps {SERVICE}",
    needs=[4],
    why="Nobody can say what has become of it. On a machine that is only cut off it does run.",
)
def lost_task(step: Step) -> None:
    failures.expect_lost_task(step, SERVICE, "machine2")
    failures.show(step)


@failover.step(
    6,
    "The node comes back",
    on="machine1",
    heals=3,
    book="docker node ls",
    needs=[3],
    why="It joins by itself, and is told that its old task is to end.",
)
def node_is_back(step: Step) -> None:
    failures.expect_state(step, "machine2", "ready")
    failures.expect_ended(step, SERVICE, "machine2")
    failures.expect_order(
        step,
        3,
        ("node", "machine2", "down", ""),
        ("node", "machine2", "ready", ""),
        ("task", SERVICE, failures.end_of_task(step, 3), "machine2"),
    )
    failures.show(step)


@failover.step(
    7,
    "The task does not move back",
    on="machine1",
    book=f"docker service ps {SERVICE}",
    needs=[4, 6],
    why="`docker service update --force` spreads the tasks again, by ending them.",
)
def task_stays(step: Step) -> None:
    failures.expect_moved(step, SERVICE, away="machine2")
    failures.show(step)


@failover.step(
    8,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove(step: Step) -> None:
    network.expect_no_containers(step, [SERVICE])
