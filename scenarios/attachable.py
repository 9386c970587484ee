"""An attachable overlay network: containers of two machines meet, without any service.

Source: https://docs.docker.com/engine/network/drivers/overlay/
"""

from __future__ import annotations

from scenarios.checks import containers, network, path
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "10.46.1.0/24"
NETWORK = "attachnet1"

attachable = Scenario(
    "attachable",
    exercise="-",
    atlas=True,
    title="An attachable overlay network, with plain containers",
    summary="Containers that were started with docker run on two machines meet on an overlay "
    "network, by name and by address.",
    networks=(NETWORK,),
    containers=("attach1", "attach2"),
)


@attachable.step(
    1,
    "Create an overlay network that containers may join",
    on="machine1",
    run=f"docker network create -d overlay --attachable --subnet {SUBNET} {NETWORK}",
    why="Without --attachable only tasks of services may: `docker run` on any node could otherwise "
    "join the networks of all of the swarm's services.",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    step.expect("it is attachable", expected=True, seen=created.get("Attachable"))
    network.remember_network(step, created)


@attachable.step(
    2,
    "Run a container on the first machine",
    on="machine1",
    run=f"docker run -d -t --name attach1 --network {NETWORK} {{image}}",
    needs=[1],
)
def first(step: Step) -> None:
    containers.expect_running(step, "attach1", NETWORK)


@attachable.step(
    3,
    "And one on the second",
    on="machine2",
    run=f"docker run -d -t --name attach2 --network {NETWORK} {{image}}",
    needs=[1],
    why="The worker's engine asks a manager for the network and for an address when the container "
    "starts; `docker network ls` has not shown the network there before.",
)
def second(step: Step) -> None:
    containers.expect_running(step, "attach2", NETWORK)
    network.expect_same_network(step, NETWORK)


@attachable.step(
    4,
    "The first reaches the second, by name and by address",
    on="machine1",
    book="docker exec attach1 ping attach2",
    needs=[2, 3],
    probe=True,
    why="A container has no virtual address: its name is its own address, so here the ping of a "
    "name does cross. VXLAN is captured on both machines.",
)
def there(step: Step) -> None:
    _expect_way(step, "1", "2")


@attachable.step(
    5,
    "And the other way round",
    on="machine2",
    book="docker exec attach2 ping attach1",
    needs=[2, 3],
    probe=True,
)
def back(step: Step) -> None:
    _expect_way(step, "2", "1")


def _expect_way(step: Step, one: str, other: str) -> None:
    here, there = (
        containers.end(step, f"attach{number}", f"machine{number}", NETWORK)
        for number in (one, other)
    )
    containers.expect_name(step, here, there)
    if network.expect_crossing(step, here, there, network.swarm_vxlan(step)):
        path.expect_any_size(step, here, there, NETWORK)


@attachable.step(
    6, "Remove the first container", on="machine1", run="docker rm -f attach1", undoes=[2]
)
def remove_first(step: Step) -> None:
    containers.expect_gone(step, ("attach1",))


@attachable.step(
    7, "Remove the second container", on="machine2", run="docker rm -f attach2", undoes=[3]
)
def remove_second(step: Step) -> None:
    containers.expect_gone(step, ("attach2",))


@attachable.step(
    8,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[1],
    undoes=[1],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
