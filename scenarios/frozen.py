"""A daemon that hangs: it answers nobody and closes nothing, and its containers run on.

The manager takes the node for dead and replaces its task, so for a while the task runs twice: on
the new node, and on the old one, where nobody can end it.
Source: https://docs.docker.com/engine/swarm/how-swarm-mode-works/swarm-task-states/
"""

from __future__ import annotations

from provision.faults import library
from scenarios.checks import failures, network
from scenarios.kit.requires import MAJORITY_LEFT
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SERVICE = "frozen1"
NO_ANSWER = 124  # the exit code of timeout(1) for a command that it had to end

frozen = Scenario(
    "frozen",
    exercise="-",
    title="A daemon that hangs",
    summary="A Docker daemon stands still. The swarm replaces its task, though the old one runs on "
    "until the daemon goes on and ends it.",
    services=(SERVICE,),
    requires=(MAJORITY_LEFT,),
    restore=failures.whole_again,
)


@frozen.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@frozen.step(
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
    failures.remember_process(step, SERVICE, "machine2")


@frozen.step(
    3,
    "The second node's daemon hangs",
    on="machine2",
    breaks=library.freeze_daemon("machine2"),
    lasts=900,
    watches=[SERVICE],
    needs=[2],
    why="A command to it gets no answer and no error: it waits. `timeout` ends it.",
)
def daemon_hangs(step: Step) -> None:
    asked = step.run("timeout 5 docker version", must=False)
    step.expect(
        "its daemon gives no answer within 5 s",
        expected=NO_ANSWER,
        seen=asked.exit_code,
        source="command",
        proves="The client reaches the socket: systemd or the kernel takes the connection. Nobody "
        "reads from it.",
    )


@frozen.step(
    4,
    "The manager takes the node for dead",
    on="machine1",
    book="docker node ls",
    needs=[3],
    why="A connection that is open says nothing: what is missed are the heartbeats.",
)
def node_is_down(step: Step) -> None:
    failures.expect_state(step, "machine2", "down", proves=failures.DOWN_PROVES)
    failures.expect_in_time(step, 3, "node", "machine2", "down")
    failures.show(step)


@frozen.step(
    5,
    "Its task is replaced, and runs on",
    on="machine1",
    book=f"docker service ps {SERVICE}",
    needs=[4],
    why="From now on the service has one container more than it is to have. A service that may run "
    "only once needs more than a swarm to be sure of it.",
)
def runs_twice(step: Step) -> None:
    failures.expect_moved(step, SERVICE, away="machine2")
    failures.expect_order(
        step, 3, ("node", "machine2", "down", ""), ("task", SERVICE, "running", "")
    )
    failures.expect_lost_task(step, SERVICE, "machine2")
    failures.expect_process(step, "machine2", there=True)
    failures.show(step)


@frozen.step(
    6,
    "The daemon goes on",
    on="machine1",
    heals=3,
    book="docker node ls",
    needs=[3],
    why="It is the same process as before. It learns that its task is to end, and ends it.",
)
def daemon_goes_on(step: Step) -> None:
    failures.expect_state(step, "machine2", "ready")
    failures.expect_ended(step, SERVICE, "machine2")
    failures.expect_order(
        step,
        3,
        ("node", "machine2", "down", ""),
        ("node", "machine2", "ready", ""),
        ("task", SERVICE, "shutdown", "machine2"),
    )
    failures.expect_process(step, "machine2", there=False)
    failures.show(step)


@frozen.step(
    7,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove(step: Step) -> None:
    network.expect_no_containers(step, [SERVICE])
