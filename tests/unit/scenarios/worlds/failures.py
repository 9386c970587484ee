"""Broken worlds of the scenarios that break something: what was to come of it does not."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from scenarios.checks.path import DIGEST
from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import two_tasks
from tests.unit.scenarios.worlds.broken import (
    CONTAINERS,
    NETWORK,
    NETWORKS,
    NODES,
    SERVICE,
    TASKS,
    Broken,
    Edit,
    as_in,
    body,
    container_left,
    empty,
    failing,
    output,
    placed_elsewhere,
    put,
)
from tests.unit.scenarios.worlds.spread import one_less, unreachable

_LISTING = r"for file in \S+/\*\.about"
_LATE = 5000.0  # seconds on a time line: long after everything else


def command_as_in(step: str, request: str) -> Edit:
    """What a command printed in another step."""

    def edit(answer: Answer, tape: Tape) -> None:
        keys = [k for k in tape.answers if k.startswith(f"{step}|") and re.search(request, k)]
        answer["out"] = next(
            one["out"] for key in keys for one in tape.answers[key] if one.get("out")
        )

    return edit


def succeeding(answer: Answer, _: Tape) -> None:
    answer["code"], answer["err"] = 0, ""


def replies(number: int) -> Edit:
    """So many pings are answered."""

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"] = re.sub(r"\d+ received", f"{number} received", answer["out"])

    return edit


def late(kind: str, state: str) -> Edit:
    """On the time line something came into a state long after everything else."""

    def edit(answer: Answer, _: Tape) -> None:
        # The dictionaries are those of the tape, which other worlds play as well.
        answer["lanes"] = copy.deepcopy(answer["lanes"])
        for lane in answer["lanes"]:
            for span in lane["spans"] if lane["kind"] == kind else []:
                if span["state"] == state and span["after"] is not None:
                    span["after"] = span["by"] = span["last"] = _LATE

    return edit


def line(step: str, kind: str, state: str, *fails: str) -> Broken:
    return Broken(f"late: {kind} {state}", step, "", "^time line$", late(kind, state), fails)


def nodes(step: str, state: str, what: str, machine: str = "machine1") -> Broken:
    """Every node has a state in which the node should not be, or not all of them."""
    name = f"{state} in step {step}"
    return Broken(name, step, machine, NODES, put(state, "Status", "State"), (f"{step}: {what}",))


def fault(step: str, healed: str) -> list[Broken]:
    """The fault is not there after the step that makes it, and there after the one that heals."""
    return [
        Broken("no fault", step, "", _LISTING, output(""), (f"{step}: the fault is there",)),
        Broken(
            "not healed",
            healed,
            "",
            _LISTING,
            command_as_in(step, _LISTING),
            (f"{healed}: the fault is healed",),
        ),
    ]


def moved(step: str, *more: str) -> list[Broken]:
    """The task is not replaced, or is still to run where it was."""
    return [
        Broken(
            f"a task is lost in step {step}",
            step,
            "machine1",
            TASKS,
            body(one_less),
            (f"{step}: as many tasks run",),
        ),
        Broken(
            f"nothing has moved in step {step}",
            step,
            "machine1",
            TASKS,
            as_in("2", TASKS),
            (f"{step}: none of them is to run", *more),
        ),
    ]


def _old_tasks_end(tasks: Any) -> Any:
    """What is to be shut down has been."""
    return [
        {**task, "Status": {**task["Status"], "State": "shutdown"}}
        if task["DesiredState"] == "shutdown"
        else task
        for task in tasks
    ]


def _lost(step: str) -> Broken:
    edit = body(_old_tasks_end)
    return Broken(
        "the old task has ended", step, "machine1", TASKS, edit, (f"{step}: the old task on",)
    )


def container_stays(step: str) -> Broken:
    """A container is still there when the services are removed."""

    def edit(answer: Answer, tape: Tape) -> None:
        api = next(key for key in tape.answers if "/containers/json?" in key).split("/")[1]
        left = {"Id": "c" * 64, "Name": "/left.1"}
        path = f"GET /{api}/containers/{'c' * 64}/json"
        tape.answers[f"{step}|0|machine1|{path}"] = [
            {"status": 200, "type": "application/json", "body": json.dumps(left)}
        ]
        answer["body"] = json.dumps([{"Id": "c" * 64}])

    fails = (f"{step}: no container of the services",)
    return Broken("a container stays", step, "machine1", CONTAINERS, edit, fails)


def network_stays(step: str, name: str, created: str) -> Broken:
    """The network is still there when it is removed."""
    edit, asked = as_in(created, NETWORKS), rf"{NETWORKS}.*{name}"
    return Broken(f"{name} stays", step, "machine1", asked, edit, (f"{step}: {name}",))


def spread_at_first() -> list[Broken]:
    """What the steps before the fault see."""
    what = ("2: one task runs on each node",)
    return [
        nodes("1", "down", "every node is Ready"),
        Broken("all on one node", "2", "machine1", TASKS, body(placed_elsewhere), what),
    ]


FAILOVER = [
    *spread_at_first(),
    *fault("3", healed="6"),
    nodes("3", "ready", "the swarm has machine2 as down"),
    line("3", "node", "down", "3: node machine2 down", "4: one after"),
    line("3", "node", "ready", "6: one after"),
    line("3", "task", "running", "4: task failover1 running"),
    *moved("4"),
    _lost("5"),
    nodes("6", "down", "the swarm has machine2 as ready"),
    Broken("not ended", "6", "machine1", TASKS, as_in("5", TASKS), ("6: no task of failover1",)),
    *moved("7"),
    container_stays("8"),
    container_left("failover1"),
]

FROZEN = [
    *spread_at_first(),
    *fault("3", healed="6"),
    Broken(
        "it answers", "3", "machine2", "^timeout 5 docker", succeeding, ("3: its daemon gives",)
    ),
    nodes("4", "ready", "the swarm has machine2 as down"),
    line("3", "node", "down", "4: node machine2 down", "5: one after"),
    line("3", "node", "ready", "6: one after"),
    *moved("5", "5: the old task on"),
    _lost("5"),
    Broken(
        "it has ended", "5", "machine2", "^test -d /proc", failing(""), ("5: the process of the",)
    ),
    nodes("6", "down", "the swarm has machine2 as ready"),
    Broken("not ended", "6", "machine1", TASKS, as_in("5", TASKS), ("6: no task of frozen1",)),
    Broken("it runs on", "6", "machine2", "^test -d /proc", succeeding, ("6: the process of the",)),
    container_stays("7"),
    container_left("frozen1"),
]


# -- the underlay ---------------------------------------------------------------------------------


def network(step: str) -> list[Broken]:
    """The step that creates a network."""
    return [
        Broken(
            f"another id printed in step {step}",
            step,
            "machine1",
            "docker network create",
            output("abc\n"),
            (f"{step}: the command prints",),
        ),
        Broken(
            f"another subnet in step {step}",
            step,
            "machine1",
            NETWORK,
            put([{"Subnet": "10.1.0.0/16"}], "IPAM", "Config"),
            (f"{step}: the network has the subnet",),
        ),
        Broken(
            f"a bridge in step {step}",
            step,
            "machine1",
            NETWORK,
            put("bridge", "Driver"),
            (f"{step}: the network's driver",),
        ),
    ]


def ends(step: str, *services: str) -> list[Broken]:
    """The step that remembers the two tasks."""
    return [
        Broken(
            f"no container of {service}",
            step,
            f"machine{number}",
            f"{CONTAINERS}.*%3D{service}%22",
            body(empty),
            (f"{step}: one container of {service}", f"{step}: error"),
        )
        for number, service in enumerate(services, start=1)
    ]


WAYS = {"underlay": "^ping -n", "overlay network": "^nsenter .* ping -n -c"}


def answered(step: str, way: str, number: int, what: str = "every ping over the") -> Broken:
    """Another number of pings is answered."""
    name = f"{number} answered over the {way} in step {step}"
    edit = replies(number)
    return Broken(name, step, "machine1", WAYS[way], edit, (f"{step}: {what} {way}",))


def full_size(step: str, address: str = "172.49.") -> Broken:
    return Broken(
        f"large packets lost in step {step}",
        step,
        "machine1",
        f"ping -n -M do .*{address}",
        failing("3 packets transmitted, 0 received"),
        (f"{step}: a ping of {address}",),
    )


_SOME = "some pings over the"
LOSSY = [
    nodes("1", "down", "every node is Ready"),
    *network("2"),
    *two_tasks.service("3", "lossy-a"),
    *two_tasks.service("4", "lossy-b"),
    *ends("5", "lossy-a", "lossy-b"),
    *(answered(step, way, 19) for step in ("5", "10") for way in WAYS),
    *fault("6", healed="10"),
    *(answered("6", "underlay", number, _SOME) for number in (200, 100)),
    *(answered("7", "overlay network", number, _SOME) for number in (200, 100)),
    two_tasks.other_bytes("8", "machine1", "172.47."),
    nodes("9", "down", "every node is Ready"),
    container_stays("11"),
    network_stays("12", "lossy1", "2"),
    container_left("lossy-a"),
]


def _not_tried(answer: Answer, _: Tape) -> None:
    answer |= {"out": "", "err": "Error response from daemon: No such container: x", "code": 1}


NARROW = [
    nodes("1", "down", "every node is Ready"),
    *network("2"),
    *network("3"),
    Broken(
        "another MTU",
        "3",
        "machine1",
        NETWORK,
        put("1500", "Options", "com.docker.network.driver.mtu"),
        ("3: its MTU",),
    ),
    *two_tasks.service("4", "narrow-a"),
    *two_tasks.service("5", "narrow-b"),
    *ends("6", "narrow-a", "narrow-b"),
    answered("6", "overlay network", 19),
    full_size("6"),
    two_tasks.other_bytes("6", "machine1", "172.49."),
    *fault("7", healed="11"),
    *(answered("7", way, 19) for way in WAYS),
    Broken(
        "large packets pass", "8", "machine1", "ping -n -M do -c 3", replies(3), ("8: of a ping",)
    ),
    Broken(
        "smaller ones are lost", "8", "machine1", r"fits\(\)", output("1300\n"), ("8: of a ping",)
    ),
    Broken(
        "TCP arrives",
        "9",
        "machine1",
        "nc -w 5 172.49.",
        output(f"{DIGEST}  -\n"),
        ("9: 256 KiB sent by TCP",),
    ),
    Broken(
        "the option has no effect",
        "10",
        "machine1",
        "ip link show .*address show to",
        output("2: eth0: <UP> mtu 1450 qdisc noqueue"),
        ("10: the MTU of", "10: a ping of"),
    ),
    full_size("10", "172.50."),
    full_size("11"),
    two_tasks.other_bytes("11", "machine1", "172.49."),
    container_stays("12"),
    network_stays("13", "narrow1", "2"),
    network_stays("13", "narrow2", "3"),
    Broken(
        "TCP is not tried in step 9",
        "9",
        "machine1",
        "nc -w 5 172.49.",
        _not_tried,
        ("9: 256 KiB sent by TCP",),
    ),
    container_left("narrow-a"),
]


# -- the quorum -----------------------------------------------------------------------------------


def _answers(answer: Answer, tape: Tape) -> None:
    """The nodes are listed, as before the partition."""
    keys = [k for k in tape.answers if k.startswith("1|") and re.search(NODES, k.split("|", 3)[3])]
    answer.update(tape.answers[keys[-1]][-1])


def _unreachable(step: str, machine: str, *fails: str) -> Broken:
    name = f"no manager reaches another in step {step}"
    return Broken(name, step, machine, NODES, body(unreachable), fails)


QUORUM = [
    *spread_at_first(),
    _unreachable("1", "machine1", "1: the managers that reach"),
    *fault("3", healed="8"),
    _unreachable("3", "machine2", "3: one of the two leads"),
    _unreachable("4", "machine2", "4: the managers that reach"),
    nodes("4", "ready", "the swarm has machine1 as down", "machine2"),
    line("3", "node", "down", "4: node machine1 down"),
    Broken("a task less", "5", "machine2", TASKS, body(one_less), ("5: as many tasks run",)),
    Broken(
        "nothing was written",
        "5",
        "machine2",
        TASKS,
        as_in("2", TASKS),
        ("5: as many tasks run", "5: none of them is to run"),
    ),
    Broken(
        "it writes", "6", "machine1", "^docker service scale", succeeding, ("6: the command is",)
    ),
    Broken("it reads", "6", "machine1", NODES, _answers, ("6: it does not list",)),
    line("3", "manager", "has no leader", "6: manager machine1 has no leader"),
    Broken("no container", "7", "machine1", CONTAINERS, body(empty), ("7: one container of",)),
    nodes("8", "down", "every node is Ready"),
    _unreachable("8", "machine1", "8: the managers that reach", "8: both sides"),
    *(
        Broken(
            f"{machine} has not learned it",
            "9",
            machine,
            SERVICE,
            put(3, "Spec", "Mode", "Replicated", "Replicas"),
            (f"9: {machine} has the service",),
        )
        for machine in ("machine1", "machine2", "machine3")
    ),
    Broken("not ended", "9", "machine1", TASKS, as_in("2", TASKS), ("9: no task of quorum1",)),
    container_stays("10"),
    container_left("quorum1"),
]
