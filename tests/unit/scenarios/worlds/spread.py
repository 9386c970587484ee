"""Broken worlds of the scenario that spreads tasks."""

from __future__ import annotations

from typing import Any

from tests.unit.scenarios.worlds.broken import (
    INFO,
    NODES,
    SERVICES,
    TASKS,
    Broken,
    as_in,
    body,
    container_left,
    put,
)

_AGAIN = "stream docker service update --force --update-parallelism 0 spread1"
# Where tasks are uneven they are spread once again, before it is judged.
_NO_HELP = {_AGAIN: {"out": "", "err": "", "code": 0}}


def runs(task: Any) -> bool:
    return bool(task["Status"]["State"] == task["DesiredState"] == "running")


def on_one_node(tasks: Any) -> Any:
    """Every task that runs does so on the node of the first one."""
    node = next((task["NodeID"] for task in tasks if runs(task)), "")
    return [{**task, "NodeID": node} if runs(task) else task for task in tasks]


def one_less(tasks: Any) -> Any:
    """The newest task that runs is not there."""
    running = sorted(filter(runs, tasks), key=lambda task: str(task["CreatedAt"]))
    return [task for task in tasks if task not in running[-1:]]


def all_new(tasks: Any) -> Any:
    return [{**task, "ID": f"other{task['ID']}"} for task in tasks]


def all_lead(nodes: Any) -> Any:
    return [{**node, "ManagerStatus": {"Leader": True}} for node in nodes]


def unreachable(nodes: Any) -> Any:
    return [{**node, "ManagerStatus": {"Reachability": "unreachable"}} for node in nodes]


def managers(nodes: Any) -> Any:
    return [{**node, "Spec": {**node["Spec"], "Role": "manager"}} for node in nodes]


def _not_even(step: str, machine: str, what: str) -> Broken:
    name = f"all on one node in step {step}"
    edit = body(on_one_node)
    return Broken(name, step, machine, TASKS, edit, (f"{step}: {what}",), more=_NO_HELP)


def _not_managers(step: str, machine: str) -> list[Broken]:
    return [
        Broken(
            f"no manager reaches another in step {step}",
            step,
            machine,
            NODES,
            body(unreachable),
            (f"{step}: the three are managers",),
        ),
        Broken(
            f"the third says it is a worker in step {step}",
            step,
            "machine3",
            INFO,
            put(False, "Swarm", "ControlAvailable"),
            (f"{step}: each of the three",),
        ),
    ]


WORLDS = [
    Broken(
        "a node is down",
        "1",
        "machine1",
        NODES,
        put("down", "Status", "State"),
        ("1: every node is Ready",),
    ),
    Broken(
        "a node is drained",
        "1",
        "machine1",
        NODES,
        put("drain", "Spec", "Availability"),
        ("1: every node is Ready",),
    ),
    _not_even("2", "machine1", "two tasks run on each node"),
    Broken(
        "not drained",
        "3",
        "machine1",
        NODES,
        put("active", "Spec", "Availability"),
        ("3: it is drained",),
    ),
    Broken(
        "nothing has moved",
        "3",
        "machine1",
        TASKS,
        as_in("2", TASKS),
        ("3: no task runs there",),
    ),
    Broken("a task is lost", "3", "machine1", TASKS, body(one_less), ("3: as many tasks run",)),
    Broken(
        "all moved to one",
        "3",
        "machine1",
        TASKS,
        body(on_one_node),
        ("3: the other nodes share them",),
    ),
    Broken(
        "all replaced",
        "3",
        "machine1",
        TASKS,
        body(all_new),
        ("3: the tasks of the other nodes",),
    ),
    Broken(
        "not active",
        "4",
        "machine1",
        NODES,
        put("drain", "Spec", "Availability"),
        ("4: it takes tasks", "4: every node is Ready"),
    ),
    Broken(
        "down after it",
        "4",
        "machine1",
        NODES,
        put("down", "Status", "State"),
        ("4: every node is Ready",),
    ),
    Broken(
        "tasks have come back",
        "4",
        "machine1",
        TASKS,
        as_in("2", TASKS),
        ("4: no task has come back",),
    ),
    _not_even("5", "machine1", "two tasks run on each node again"),
    *_not_managers("6", "machine1"),
    Broken(
        "the first still leads",
        "7",
        "machine2",
        NODES,
        as_in("6", NODES),
        ("7: one node leads", "7: the first node is a worker"),
    ),
    Broken("all lead", "7", "machine2", NODES, body(all_lead), ("7: one node leads",)),
    Broken(
        "the first stays a manager",
        "7",
        "machine2",
        NODES,
        body(managers),
        ("7: the first node is a worker",),
    ),
    Broken(
        "the first is not heard of",
        "7",
        "machine2",
        NODES,
        put("unknown", "Status", "State"),
        ("7: every node is Ready",),
    ),
    Broken(
        "a task went with it", "7", "machine2", TASKS, body(one_less), ("7: all tasks still run",)
    ),
    _not_even("8", "machine2", "three tasks run on each node"),
    *_not_managers("9", "machine2"),
    Broken(
        "the service stays",
        "10",
        "machine1",
        SERVICES,
        body(lambda _: [{"ID": "s", "Spec": {"Name": "spread1"}}]),
        ("10: the service is gone",),
    ),
    container_left("spread1"),
]
