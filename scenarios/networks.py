"""Several networks on one service: who is on both reaches both, and is no bridge between them.

Source: https://docs.docker.com/engine/swarm/networking/
"""

from __future__ import annotations

from scenarios.checks import containers, network, path
from scenarios.checks.answering import note_tasks
from scenarios.checks.path import End
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

FRONT, BACK = "frontnet1", "backnet1"
SUBNETS = {FRONT: "10.46.5.0/24", BACK: "10.46.6.0/24"}

networks = Scenario(
    "networks",
    exercise="-",
    atlas=True,
    title="Several networks on one service",
    summary="A service on two networks has an interface in each and reaches both. The services on "
    "either side do not reach each other, and do not know each other's names.",
    services=("web1", "app1", "store1"),
    networks=(FRONT, BACK),
)


def _create(name: str) -> str:
    return f"docker network create -d overlay --subnet {SUBNETS[name]} {name}"


def _service(name: str, node: int, *names: str) -> str:
    attached = " ".join(f"--network {one}" for one in names)
    return (
        f"docker service create -t --replicas 1 {attached} --constraint node.id=={{node{node}}} "
        f"--stop-grace-period 1s --name {name} --no-resolve-image {{image}}"
    )


@networks.step(1, "Create the network in front", on="machine1", run=_create(FRONT))
def create_front(step: Step) -> None:
    network.expect_created(step, step.network(FRONT), "overlay", SUBNETS[FRONT])
    network.remember_network(step, step.network(FRONT))


@networks.step(2, "Create the network behind it", on="machine1", run=_create(BACK))
def create_back(step: Step) -> None:
    network.expect_created(step, step.network(BACK), "overlay", SUBNETS[BACK])
    network.remember_network(step, step.network(BACK))


@networks.step(
    3,
    "Start a service in front",
    on="machine1",
    run=_service("web1", 1, FRONT),
    service="web1",
    needs=[1],
)
def web(step: Step) -> None:
    network.expect_one_task(step, "web1", on="machine1")
    note_tasks(step, "web1")


@networks.step(
    4,
    "Start one behind",
    on="machine1",
    run=_service("store1", 1, BACK),
    service="store1",
    needs=[2],
    why="It runs on the same machine as the service in front: what keeps them apart is not the "
    "distance.",
)
def store(step: Step) -> None:
    network.expect_one_task(step, "store1", on="machine1")
    note_tasks(step, "store1")


@networks.step(
    5,
    "Start one between them, on both networks",
    on="machine1",
    run=_service("app1", 2, FRONT, BACK),
    service="app1",
    needs=[1, 2],
    why="--network can be given several times: the task gets an interface and an address in each, "
    "and the service a virtual address in each.",
)
def app(step: Step) -> None:
    network.expect_one_task(step, "app1", on="machine2")
    note_tasks(step, "app1")


@networks.step(
    6,
    "The task between them has an address in each network",
    on="machine2",
    run="docker ps",
    needs=[5],
)
def two_addresses(step: Step) -> None:
    found = step.containers("app1")
    there = {name: network.address_in(found[0], step.called(name)) for name in SUBNETS}
    for name, address in there.items():
        step.expect(
            f"app1 has an address in {name}",
            expected=f"an address of {SUBNETS[name]}",
            seen=address or "none",
            passed=address.startswith(SUBNETS[name].removesuffix("0/24")),
        )


@networks.step(
    7,
    "It reaches either side, and either side reaches it",
    on="machine1",
    book="docker exec <web1 task> ping tasks.app1\ndocker exec <store1 task> ping tasks.app1",
    needs=[3, 4, 6],
    probe=True,
    why="One name, two answers: who asks in the network in front is given the address in front.",
)
def either_side(step: Step) -> None:
    for side, name in (("web1", FRONT), ("store1", BACK)):
        here = _end(step, side, "machine1", name)
        app = _end(step, "app1", "machine2", name)
        asked = f"tasks.{step.called('app1')}"
        what = f"in {side} the name {asked} resolves to the address in {name}"
        containers.expect_resolves(step, here, asked, what, [app.address])
        containers.expect_answer(step, here, app)
        containers.expect_answer(step, app, here)
        path.expect_tcp(step, here, app)


@networks.step(
    8,
    "The two sides do not reach each other",
    on="machine1",
    book="docker exec <web1 task> ping <store1's address>",
    needs=[3, 4],
    probe=True,
    why="A task on two networks does not forward packets between them, and a service's name is "
    "known in the service's own networks only.",
)
def kept_apart(step: Step) -> None:
    here = _end(step, "web1", "machine1", FRONT)
    other = _end(step, "store1", "machine1", BACK)
    containers.expect_no_name(step, here, step.called("store1"))
    containers.expect_no_answer(
        step, here, other.address, "store1", "Networks are what keeps services apart."
    )


def _end(step: Step, service: str, place: str, name: str) -> End:
    """The service's task on a machine, as one end of a path in a network."""
    machine = step.context.machines[place]
    (found,) = step.containers(service, machine)[:1] or [{}]
    task = str(found.get("Name", "")).lstrip("/")
    return containers.end(step, task, place, name)


@networks.step(
    9,
    "Remove the services",
    on="machine1",
    run="docker service rm web1 app1 store1",
    needs=[3, 4, 5],
    undoes=[3, 4, 5],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, networks.services)


@networks.step(
    10,
    "Remove the networks",
    on="machine1",
    run=f"docker network rm {FRONT} {BACK}",
    needs=[1, 2],
    undoes=[1, 2],
)
def remove_networks(step: Step) -> None:
    network.expect_no_network(step, FRONT)
    network.expect_no_network(step, BACK)
