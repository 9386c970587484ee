"""Judgements of what a swarm makes of a failure: states of nodes and tasks, and how long it took.

Times are shown as ranges, and judged by generous limits alone: a slow machine is not a broken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

from provision.machine.machine import Machine
from provision.support.wait import wait_until
from scenarios.checks import containers, swarm
from scenarios.checks.path import End
from scenarios.checks.swarm import UNANSWERED, Node, Task, nodes, wanted_tasks
from scenarios.evidence.ping import ping_command
from scenarios.kit.services import tasks_of
from scenarios.kit.step import Step, StepFailed
from scenarios.kit.timeline import Line
from scenarios.record.model import LaneKind
from scenarios.record.timeline import Event

PATIENCE = 120.0  # seconds in which a swarm notices a failure, and has recovered from it
LIMIT = 600.0  # seconds within which it has done so on the slowest machine
DOWN_PROVES = (
    "The manager has heard no heartbeat of the node for a while. It cannot tell a dead machine "
    "from one that it does not hear, or from one whose daemon stands still."
)
_BOUNDS = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
Change = tuple[LaneKind, str, str, str]  # what, of which subject, to which state, and where
T = TypeVar("T")


def show(step: Step, command: str | None = None, on: Machine | None = None) -> None:
    """Keep what a command that only looks prints by now: when what it shows has come about.

    Without a command it is the last line of what the exercise says. Only in a run.
    """
    if step.acted:
        step.run(command or step.data.book.splitlines()[-1], on=on, must=False)


# -- how long it took -----------------------------------------------------------------------------


def as_range(seconds: float) -> str:
    """A time as a range, such as "10 to 20 s"."""
    for low, high in pairwise(_BOUNDS):
        if seconds < high:
            return f"{low} to {high} s"
    return f"more than {_BOUNDS[-1]} s"


def expect_in_time(
    step: Step,
    since: int,
    kind: LaneKind,
    subject: str,
    state: str,
    on: str = "",
    healed: bool = False,
) -> None:
    """After the fault of step `since` something has come into a state, and within `LIMIT` seconds.

    With `healed` it is after that fault's healing. Only in a run, which collects a time line: who
    does the exercise by hand looks when it suits.
    """
    line = step.line_of(since)
    if line is None:
        return
    begin = _fault(step, since, line, "healed" if healed else "made")
    event = line.wait(kind, subject, state, on=on, since=begin, patience=PATIENCE)
    took = begin.until(event).high or 0.0
    name = step.context.machines[subject].name if subject in step.context.machines else subject
    where = f" on {step.context.machines[on].name}" if on else ""
    step.expect(
        f"{kind} {name} {state}{where}, so long after the {'healing' if healed else 'fault'}",
        expected=f"{LIMIT:g} s or less",
        seen=as_range(took),
        passed=took <= LIMIT,
        source="time line",
    )


def expect_order(step: Step, since: int, *events: Change) -> None:
    """After the fault of step `since` these have come about one after the other.

    What two looks cannot tell apart is in order. Only in a run.
    """
    line = step.line_of(since)
    if line is None:
        return
    before = _fault(step, since, line)
    found = [before]
    for kind, subject, state, on in events:
        fault = found[0]
        found.append(line.wait(kind, subject, state, on=on, since=fault, patience=PATIENCE))
    machines = step.context.machines
    told = [
        f"{kind} {machines[subject].name if subject in machines else subject} {state}"
        for kind, subject, state, _ in events
    ]
    wrong = [f"{two} before {one}" for one, two in pairwise(found) if one.order(two) == "after"]
    step.expect(
        f"one after the other: the fault, {', '.join(told)}",
        expected=[],
        seen=wrong,
        source="time line",
    )


def _fault(step: Step, since: int, line: Line, state: str = "made") -> Event:
    return line.fault(step.context.held[str(since)].fault.record.kind, state)


# -- nodes ----------------------------------------------------------------------------------------


def node_of(step: Step, place: str) -> str:
    """The ID of the node that the machine of this place is."""
    return step.names[place.replace("machine", "node")]


def state_of(step: Step, place: str) -> str:
    """The state of the node that the machine of this place is, as the step's machine has it."""
    wanted = node_of(step, place)
    found = [one for one in nodes(step.machine) if one["ID"] == wanted]
    return str(found[0]["Status"]["State"]) if found else "not a node"


def leader_of(machine: Machine) -> str:
    """The ID of the node that leads the swarm, "" where none does."""
    leads = swarm.leaders(nodes(machine))
    return leads[0] if len(leads) == 1 else ""


def expect_all_ready(step: Step) -> None:
    """Every node is Ready; it is remembered how many there are."""
    there = patiently(step, lambda: nodes(step.machine), lambda found: not _not_ready(found))
    step.expect(
        "every node is Ready",
        expected=[],
        seen=_not_ready(there),
        passed=bool(there) and not _not_ready(there),
    )
    step.remember(replicas=str(len(there)), more=str(2 * len(there)))


def expect_state(step: Step, place: str, state: str, proves: str = "") -> None:
    """The swarm has this state for the node."""
    machine = step.context.machines[place]
    seen = patiently(step, lambda: state_of(step, place), lambda found: found == state)
    step.expect(
        f"the swarm has {machine.name} as {state}", expected=state, seen=seen, proves=proves
    )


def _not_ready(there: list[Node]) -> list[str]:
    return [
        f"{node['Description'].get('Hostname', node['ID'])}: {node['Status']['State']}"
        for node in there
        if node["Status"]["State"] != "ready"
    ]


# -- tasks ----------------------------------------------------------------------------------------


def on_node(step: Step, place: str, tasks: list[Task]) -> list[Task]:
    """Those of the tasks that are on the node of this place."""
    node = node_of(step, place)
    return [task for task in tasks if task.get("NodeID") == node]


def expect_one_on_each(step: Step, service: str) -> None:
    """One task of the service runs on each node."""
    total = int(step.names["replicas"])

    def spread(tasks: list[Task]) -> bool:
        return len(tasks) == len({task["NodeID"] for task in tasks}) == total

    tasks = patiently(step, lambda: wanted_tasks(step, service), spread)
    step.expect("one task runs on each node", expected=total, seen=len(tasks), passed=spread(tasks))


def expect_moved(step: Step, service: str, away: str) -> None:
    """As many tasks as before are to run and do, and none of them on the node that is lost."""
    total = int(step.names["replicas"])

    def moved(tasks: list[Task]) -> bool:
        return len(tasks) == total and not on_node(step, away, tasks)

    tasks = patiently(step, lambda: wanted_tasks(step, service), moved)
    step.expect("as many tasks run as before", expected=total, seen=len(tasks))
    step.expect(
        f"none of them is to run on {step.context.machines[away].name}",
        expected=0,
        seen=len(on_node(step, away, tasks)),
        proves="The swarm has started another task elsewhere: a task itself never moves.",
    )


def expect_lost_task(step: Step, service: str, place: str) -> None:
    """The swarm wants the task on the lost node to end, and still has it as running: nobody has
    told it otherwise."""

    def lost() -> list[list[str]]:
        tasks = on_node(step, place, tasks_of(step.machine, step.called(service)))
        return [[task["DesiredState"], task["Status"]["State"]] for task in tasks]

    seen = patiently(step, lost, lambda found: found == [["shutdown", "running"]])
    step.expect(
        f"the old task on {step.context.machines[place].name} is to end, and is still listed as "
        "running",
        expected=[["shutdown", "running"]],
        seen=seen,
        proves="What `docker service ps` shows of a node that is down is the last that it said.",
    )


def expect_ended(step: Step, service: str, place: str) -> None:
    """The old task on the node has ended, and the swarm knows it."""

    def running() -> list[str]:
        tasks = on_node(step, place, tasks_of(step.machine, step.called(service)))
        return [str(task["ID"]) for task in tasks if task["Status"]["State"] == "running"]

    seen = patiently(step, running, lambda found: not found)
    step.expect(
        f"no task of {service} runs on {step.context.machines[place].name} any more",
        expected=[],
        seen=seen,
        proves="Tasks that have moved away do not come back: to move them would be to end them.",
    )


def end_of_task(step: Step, since: int) -> str:
    """The state in which the task of a node ends that is back after the fault of step `since`.

    Where the power was cut its container is gone, and the task has failed; else it is shut down.
    """
    held = step.context.held.get(str(since))
    return "failed" if held and held.fault.record.kind == "power-off" else "shutdown"


# -- packets --------------------------------------------------------------------------------------


def wait_until_answered(step: Step, here: End, there: End) -> None:
    """Wait until a container answers another one's small ping. What is judged comes after it.

    A node that was not heard of in time is Down, and the engines cut it off from the overlay until
    they hear of it again.
    """
    once = ping_command(here.task, there.address, count=1, wait=1)
    patiently(step, lambda: here.machine.run(once, 60).ok, bool)


def expect_answer_again(step: Step, here: End, there: End) -> None:
    """A container answers another one's pings, once the network between them has recovered."""
    wait_until_answered(step, here, there)
    containers.expect_answer(step, here, there)


# -- without the engine ---------------------------------------------------------------------------


def remember_process(step: Step, service: str, place: str) -> None:
    """Remember the process of the service's container on a machine, by its number there."""
    found = step.containers(service, step.context.machines[place])
    if len(found) != 1:
        raise StepFailed(f"{len(found)} containers of {service} run on {place}, not one")
    step.remember(pid=str(found[0]["State"]["Pid"]))


def expect_process(step: Step, place: str, *, there: bool) -> None:
    """The container's process runs on the machine, or does not any more: the kernel is asked."""
    machine, pid = step.context.machines[place], step.names["pid"]

    def runs() -> bool:
        asked = machine.run(f"test -d /proc/{pid}", 60, sudo=True)
        if asked.exit_code not in {0, 1}:
            raise StepFailed(f"{machine.name}: whether process {pid} runs cannot be told")
        return asked.ok

    seen = patiently(step, runs, lambda found: found is there)
    step.expect(
        f"the process of the old container {'still runs' if there else 'has ended'}",
        expected=there,
        seen=seen,
        source="command",
        machine=machine,
        proves="A container is a process of the machine's kernel, and needs no daemon to run on."
        if there
        else "",
    )


# -- waiting --------------------------------------------------------------------------------------


def patiently(step: Step, look: Callable[[], T], settled: Callable[[T], bool]) -> T:
    """What is seen once the swarm has noticed a failure, or has recovered from it; or last."""
    return swarm.patiently(step, look, settled, PATIENCE)


def whole_again(machines: list[Machine]) -> None:
    """Wait until the swarm has a leader and every node is Ready; it may have to heal yet.

    It gives up without an error: the first step, or the clean-up, says what is wrong.
    """
    managers = [machine for machine in machines if machine.plan.role == "manager"]
    end = time.monotonic() + 3 * PATIENCE

    def whole(machine: Machine) -> bool:
        there = nodes(machine)
        return bool(leader_of(machine)) and not _not_ready(there)

    for machine in managers:
        try:
            left = max(0.0, end - time.monotonic())
            wait_until(partial(whole, machine), bool, left, unanswered=UNANSWERED)
        except UNANSWERED:
            return
