"""Three managers, one of which is cut off: two of three go on, and one of three can do nothing.

Whatever is written in a swarm, more than half of its managers have to agree to. The one that is cut
off is the first, which most often leads: then the other two elect another leader.
Source: https://docs.docker.com/engine/swarm/raft/ and …/swarm/admin_guide/
"""

from __future__ import annotations

import docker.errors

from provision.faults import library
from provision.machine.machine import Machine
from scenarios.checks import failures, network, swarm
from scenarios.kit.requires import Managers
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SERVICE = "quorum1"
NO_LEADER = "does not have a leader"  # Source: moby, daemon/cluster/errors.go
OTHERS = ("machine2", "machine3")

quorum = Scenario(
    "quorum",
    exercise="-",
    title="A partition, and who may still write",
    summary="One of three managers is cut off. The other two elect a leader and go on; the one can "
    "neither write nor read, though its tasks run. When it hears the others again, it knows what "
    "they have decided.",
    machines=3,
    requires=(Managers(3, exactly=True),),
    services=(SERVICE,),
    restore=failures.whole_again,
)


@quorum.step(
    1,
    "Three managers, one of which leads",
    on="machine1",
    run="docker node ls",
    why="Of three managers one may be lost, for two are more than half.",
)
def three_managers(step: Step) -> None:
    failures.expect_all_ready(step)
    _expect_reachable(step, {"machine1", *OTHERS})


@quorum.step(
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


@quorum.step(
    3,
    "Cut the first manager off: the other two have a leader",
    on="machine2",
    breaks=library.partition("machine1"),
    lasts=900,
    watches=[SERVICE],
    needs=[2],
    book="docker node ls",
    why="Each side hears nothing of the other, and cannot know whether it still is there. If the "
    "first one led, the others elect another one: two of three are enough.",
)
def cut_off(step: Step) -> None:
    places = {failures.node_of(step, place): place for place in OTHERS}
    leader = failures.patiently(
        step, lambda: failures.leader_of(step.machine), lambda found: found in places
    )
    step.expect(
        "one of the two leads",
        expected=list(OTHERS),
        seen=places.get(leader, leader),
        passed=leader in places,
    )
    failures.show(step)


@quorum.step(
    4,
    "They have the first one as down",
    on="machine2",
    book="docker node ls",
    needs=[3],
    why="As a manager it is unreachable, and as a node that runs tasks it is down.",
)
def first_is_down(step: Step) -> None:
    _expect_reachable(step, set(OTHERS))
    failures.expect_state(step, "machine1", "down", proves=failures.DOWN_PROVES)
    failures.expect_in_time(step, 3, "node", "machine1", "down")
    failures.show(step)


@quorum.step(
    5,
    "The majority can write",
    on="machine2",
    run=f"docker service scale {SERVICE}={{more}}",
    service=SERVICE,
    needs=[4],
)
def majority_writes(step: Step) -> None:
    more = int(step.names["more"])
    tasks = failures.patiently(
        step, lambda: swarm.wanted_tasks(step, SERVICE), lambda found: len(found) == more
    )
    step.expect("as many tasks run as were asked for", expected=more, seen=len(tasks))
    step.expect(
        f"none of them is to run on {step.context.machines['machine1'].name}",
        expected=0,
        seen=len(failures.on_node(step, "machine1", tasks)),
    )


def write_without_quorum(step: Step) -> None:
    step.run(f"docker service scale {SERVICE}=1", must=False)


@quorum.step(
    6,
    "The minority can neither read nor write",
    on="machine1",
    do=write_without_quorum,
    book=f"docker service scale {SERVICE}=1, docker node ls",
    needs=[5],
    why="It says that the swarm has no leader. It is not broken: it only cannot tell whether the "
    "others have decided something else meanwhile, and so says nothing at all.",
)
def minority_refuses(step: Step) -> None:
    if step.acted:
        wrote = step.data.commands[0]
        step.expect(
            "the command is refused",
            expected=NO_LEADER,
            seen=wrote.stderr.strip(),
            passed=wrote.exit_code not in (0, None) and NO_LEADER in wrote.stderr,
            source="command",
        )
    said = failures.patiently(step, lambda: _refusal(step.machine), lambda said: NO_LEADER in said)
    step.expect(
        "it does not list the swarm's nodes",
        expected=NO_LEADER,
        seen=said,
        passed=NO_LEADER in said,
        proves="A manager without a quorum answers no question about the swarm.",
    )
    failures.expect_in_time(step, 3, "manager", "machine1", "has no leader")
    failures.show(step, "docker node ls")


@quorum.step(
    7,
    "Its tasks run on",
    on="machine1",
    run="docker ps",
    needs=[6],
    why="A quorum is needed to decide something, not to run what was decided before.",
)
def tasks_run_on(step: Step) -> None:
    step.expect(
        f"one container of {SERVICE} runs here", expected=1, seen=len(step.containers(SERVICE))
    )


@quorum.step(
    8,
    "The partition heals",
    on="machine1",
    heals=3,
    book="docker node ls",
    needs=[5],
    why="The first manager follows the leader that the others have, and catches up on what they "
    "have written. Nobody has to decide whose word counts.",
)
def heals(step: Step) -> None:
    failures.expect_all_ready(step)
    _expect_reachable(step, {"machine1", *OTHERS})
    there = step.context.machines["machine2"]
    both = failures.patiently(
        step,
        lambda: [failures.leader_of(step.machine), failures.leader_of(there)],
        lambda found: bool(found[0]) and found[0] == found[1],
    )
    step.expect("both sides have the same leader", expected=both[1], seen=both[0])
    failures.show(step)


@quorum.step(
    9,
    "What the majority wrote is there on all of them",
    on="machine1",
    book=f"docker service ps {SERVICE}",
    needs=[8],
)
def same_everywhere(step: Step) -> None:
    more = int(step.names["more"])
    for machine in step.context.machines.values():
        what = f"{machine.name} has the service with {more} tasks"
        step.expect(what, expected=more, seen=_replicas(step, machine), machine=machine)
    failures.expect_ended(step, SERVICE, "machine1")
    failures.show(step)


@quorum.step(
    10,
    "Remove the service",
    on="machine1",
    run=f"docker service rm {SERVICE}",
    needs=[2],
    undoes=[2],
)
def remove(step: Step) -> None:
    network.expect_no_containers(step, [SERVICE])


# -- looking --------------------------------------------------------------------------------------


def _expect_reachable(step: Step, places: set[str]) -> None:
    """These managers reach each other, and no others do."""
    wanted = sorted(places)
    names = {failures.node_of(step, place): place for place in ("machine1", *OTHERS)}

    def reachable() -> list[str]:
        return sorted(names.get(id_, id_) for id_ in swarm.reachable(swarm.nodes(step.machine)))

    seen = failures.patiently(step, reachable, lambda found: found == wanted)
    step.expect("the managers that reach each other", expected=wanted, seen=seen)


def _refusal(machine: Machine) -> str:
    """What a machine's engine says instead of listing the nodes; "" where it lists them."""
    try:
        swarm.nodes(machine)
    except docker.errors.APIError as error:
        return str(error.explanation) if error.explanation else str(error)
    return ""


def _replicas(step: Step, machine: Machine) -> int:
    """How many tasks a manager has the service with."""
    service = machine.docker.services.get(step.called(SERVICE))
    return int(service.attrs["Spec"]["Mode"]["Replicated"]["Replicas"])
