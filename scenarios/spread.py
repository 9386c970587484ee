"""How a swarm spreads a service's tasks, and what it does when nodes and managers change.

Not in the book: the steps are those of Docker's own swarm tutorial, with three nodes, each judged
from the Engine API. When it has ended, nodes are active and have lab.toml's roles again.
Source: https://docs.docker.com/engine/swarm/swarm-tutorial/ and …/swarm/admin_guide/.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeVar

from rich.console import Console
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress
from provision.swarm import nodes
from scenarios.checks import swarm
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SERVICE = "spread1"
ALL = ("machine1", "machine2", "machine3")
PATIENCE = 60.0
T = TypeVar("T")


def as_lab_has_it(machines: list[Machine]) -> None:
    """Every node takes tasks, and has the role that lab.toml gives it."""
    by_name = {machine.name: machine for machine in machines}
    quiet = Progress(Console(file=io.StringIO()))

    def restore() -> None:
        verbs = nodes.Nodes(by_name, quiet)
        # Managers first: at no moment are there fewer than the lab wants.
        for machine in sorted(machines, key=lambda machine: machine.plan.role != "manager"):
            if machine.plan.role == "manager":
                verbs.promote(machine.name)
            else:
                verbs.demote(machine.name)
        # Last: a new leader knows of no node until it hears from it.
        for machine in machines:
            verbs.activate(machine.name)

    # While managers elect a leader, none of them answers; each verb can be repeated.
    Retrying(
        stop=stop_after_delay(PATIENCE),
        wait=wait_fixed(1),
        retry=retry_if_exception_type((MachineError, *swarm.UNANSWERED)),
        reraise=True,
    )(restore)


spread = Scenario(
    "spread",
    exercise="-",
    title="Spreading tasks over nodes",
    summary="A service's tasks spread over all nodes, move away from a drained one, and keep "
    "running when the swarm's leader steps down.",
    machines=3,
    services=(SERVICE,),
    restore=as_lab_has_it,
)


@spread.step(
    1,
    "All nodes are Ready and take tasks",
    on="machine1",
    run="docker node ls",
)
def nodes_take_tasks(step: Step) -> None:
    there = _when(step, lambda nodes: not _not_taking(nodes))
    _expect_all_take(step, there)
    step.remember(replicas=str(2 * len(there)), more=str(3 * len(there)))


@spread.step(
    2,
    "Start a service with two tasks for each node",
    on="machine1",
    run=f"docker service create -t --replicas {{replicas}} --stop-grace-period 1s "
    f"--update-monitor 1s --name {SERVICE} --no-resolve-image {{image}}",
    service=SERVICE,
    needs=[1],
    why="No constraint says where: the scheduler takes the node that has the fewest tasks of the "
    "service. Two waits are shortened: a shell ignores the request to end, which takes 10 s by "
    "default, and the command watches its started tasks for 5 s.",
)
def start_service(step: Step) -> None:
    _expect_even(step, "two tasks run on each node", 2)
    step.remember(stayed=_running_on(step, "machine1", "machine3"))


@spread.step(
    3,
    "Drain the second node",
    on="machine1",
    run="docker node update --availability drain {node2}",
    needs=[2],
)
def drain(step: Step) -> None:
    drained = _id(step, "machine2")
    node = next(node for node in _nodes(step) if node["ID"] == drained)
    step.expect("it is drained", expected="drain", seen=node["Spec"]["Availability"])
    total = int(step.names["replicas"])
    counts = _until(step, lambda c: not c.get(drained) and sum(c.values()) == total)
    step.expect("no task runs there any more", expected=0, seen=counts.get(drained, 0))
    step.expect("as many tasks run as before", expected=total, seen=sum(counts.values()))
    step.expect(
        "the other nodes share them evenly",
        expected=True,
        seen=_even([count for node, count in counts.items() if node != drained]),
    )
    stayed = step.names["stayed"].split()
    running = _ids(step)
    left_alone = [task for task in stayed if task in running]
    step.expect(
        "the tasks of the other nodes were left alone",
        expected=stayed,
        seen=left_alone,
        passed=bool(stayed) and left_alone == stayed,
        proves="A drain moves what is on the node, and nothing else.",
    )


@spread.step(
    4,
    "Activate it again",
    on="machine1",
    run="docker node update --availability active {node2}",
    needs=[3],
    why="Tasks that have moved away do not come back: to move them would be to end them.",
)
def activate(step: Step) -> None:
    back = _id(step, "machine2")
    node = next(node for node in _nodes(step) if node["ID"] == back)
    step.expect("it takes tasks", expected="active", seen=node["Spec"]["Availability"])
    step.expect("no task has come back", expected=0, seen=_counts(step).get(back, 0))
    # The next step spreads the tasks over the nodes that are ready by then.
    _expect_all_take(step, _when(step, lambda nodes: not _not_taking(nodes)))


@spread.step(
    5,
    "Spread the tasks again",
    on="machine1",
    run=f"docker service update --force --update-parallelism 0 {SERVICE}",
    service=SERVICE,
    needs=[4],
    why="--force replaces every task; the scheduler places the new ones.",
)
def spread_again(step: Step) -> None:
    _expect_even(step, "two tasks run on each node again", 2)


@spread.step(
    6,
    "Make the other two nodes managers",
    on="machine1",
    run="docker node promote {node2} {node3}",
    needs=[1],
    why="Three managers bear the loss of one; two bear none.",
)
def promote(step: Step) -> None:
    ids = [_id(step, place) for place in ALL]
    _expect_managers(step, ids)


@spread.step(
    7,
    "The first node steps down",
    on="machine2",
    run="docker node demote {node1}",
    needs=[6],
    why="It led the swarm, unless another had been elected before. The others elect a leader.",
)
def step_down(step: Step) -> None:
    first = _id(step, "machine1")
    there = _when(step, _one_leader_but(first))
    leaders = swarm.leaders(there)
    step.expect(
        "one node leads, and not the first",
        expected=[1, False],
        seen=[len(leaders), first in leaders],
    )
    step.expect(
        "the first node is a worker",
        expected=["worker"],
        seen=[node["Spec"]["Role"] for node in there if node["ID"] == first],
    )
    # A new leader knows of no node until it hears from it, and what is scaled before that goes to
    # the others.
    _expect_all_take(step, there)
    total = int(step.names["replicas"])
    step.expect(
        "all tasks still run",
        expected=total,
        seen=sum(_until(step, lambda counts: sum(counts.values()) == total).values()),
        proves="Tasks do not depend on who leads.",
    )


@spread.step(
    8,
    "The swarm still works: scale the service",
    on="machine2",
    run=f"docker service scale {SERVICE}={{more}}",
    service=SERVICE,
    needs=[2, 7],
    why="The new leader schedules; a worker that was a manager takes tasks like any other.",
)
def scale(step: Step) -> None:
    _expect_even(step, "three tasks run on each node", 3)


@spread.step(
    9,
    "The first node is a manager again",
    on="machine2",
    run="docker node promote {node1}",
    needs=[7],
)
def promote_again(step: Step) -> None:
    _expect_managers(step, [_id(step, place) for place in ALL])


@spread.step(
    10,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove(step: Step) -> None:
    there = [service.name for service in step.machine.docker.services.list()]
    step.expect("the service is gone", expected=False, seen=step.called(SERVICE) in there)


# -- looking --------------------------------------------------------------------------------------


def _nodes(step: Step) -> list[dict[str, Any]]:
    return swarm.nodes(step.machine)


def _id(step: Step, place: str) -> str:
    return str(step.context.machines[place].docker.info()["Swarm"]["NodeID"])


def _running(step: Step) -> list[dict[str, Any]]:
    return swarm.wanted_tasks(step, SERVICE)


def _counts(step: Step) -> dict[str, int]:
    """How many tasks of the service run on each node, by the node's id."""
    counts = dict.fromkeys((node["ID"] for node in _nodes(step)), 0)
    for task in _running(step):
        counts[task["NodeID"]] += 1
    return counts


def _ids(step: Step) -> set[str]:
    return {str(task["ID"]) for task in _running(step)}


def _running_on(step: Step, *places: str) -> str:
    wanted = {_id(step, place) for place in places}
    return " ".join(sorted(str(t["ID"]) for t in _running(step) if t["NodeID"] in wanted))


def _even(counts: list[int]) -> bool:
    return max(counts) - min(counts) <= 1


def _one_leader_but(first: str) -> Callable[[list[dict[str, Any]]], bool]:
    def settled(there: list[dict[str, Any]]) -> bool:
        leaders = swarm.leaders(there)
        worker = any((node["ID"], node["Spec"]["Role"]) == (first, "worker") for node in there)
        return len(leaders) == 1 and first not in leaders and worker and not _not_taking(there)

    return settled


def _not_taking(nodes: list[dict[str, Any]]) -> list[str]:
    """The nodes that take no tasks now, in words."""
    return [
        f"{node['Description'].get('Hostname', node['ID'])}: {node['Status']['State']}, "
        f"{node['Spec']['Availability']}"
        for node in nodes
        if (node["Status"]["State"], node["Spec"]["Availability"]) != ("ready", "active")
    ]


def _expect_all_take(step: Step, nodes: list[dict[str, Any]]) -> None:
    seen = _not_taking(nodes)
    step.expect(
        "every node is Ready and active", expected=[], seen=seen, passed=bool(nodes) and not seen
    )


def _expect_even(step: Step, what: str, each: int) -> None:
    """Each node runs `each` tasks of the service.

    The scheduler counts tasks when it places one, and moves none later: where a node was not ready
    at that moment, the others have lawfully more. Then the tasks are spread once again, over nodes
    that are all ready.
    """

    def even(counts: dict[str, int]) -> bool:
        return set(counts.values()) == {each}

    total = each * len(_nodes(step))
    counts = _until(step, lambda counts: sum(counts.values()) == total)
    if step.acted and not even(counts):
        _when(step, lambda nodes: not _not_taking(nodes))
        again = f"docker service update --force --update-parallelism 0 {SERVICE}"
        step.run_service(again, SERVICE)
        counts = _until(step, even)
    step.expect(what, expected=dict.fromkeys(counts, each), seen=counts, passed=even(counts))


def _expect_managers(step: Step, ids: list[str]) -> None:
    there = _when(step, lambda there: set(ids) <= set(swarm.reachable(there)))
    step.expect(
        "the three are managers that reach each other",
        expected=sorted(ids),
        seen=sorted(set(swarm.reachable(there)) & set(ids)),
    )

    def own_words() -> list[bool]:
        machines = step.context.machines.values()
        return [bool(machine.docker.info()["Swarm"]["ControlAvailable"]) for machine in machines]

    # The list of nodes says so first; each engine acts as a manager a moment later.
    step.expect(
        "each of the three says so itself",
        expected=[True] * 3,
        seen=_patiently(step, own_words, all),
    )


def _until(step: Step, settled: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """The tasks on each node, once they are settled; after the wait's limit, as they are then."""
    return _patiently(step, lambda: _counts(step), settled)


def _when(step: Step, settled: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The nodes, once they are settled; after the wait's limit, as they are then."""
    return _patiently(step, lambda: _nodes(step), settled)


def _patiently(step: Step, look: Callable[[], T], settled: Callable[[T], bool]) -> T:
    return swarm.patiently(step, look, settled, PATIENCE)
