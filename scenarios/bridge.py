"""The bridge driver: a network inside one machine, the default one and one of the user's own.

Source: https://docs.docker.com/engine/network/drivers/bridge/
"""

from __future__ import annotations

from scenarios.checks import containers, network
from scenarios.checks.path import End
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "172.30.46.0/24"
OWN = "bridgenet1"

bridge = Scenario(
    "bridge",
    exercise="-",
    atlas=True,
    title="Bridge networks: the default one, and one of your own",
    summary="Containers on one machine reach each other over a bridge. Names resolve only on a "
    "network that you have created, and no other machine reaches them.",
    networks=(OWN,),
    containers=("bridge1", "bridge2", "bridge3", "bridge4", "bridge5"),
)


@bridge.step(
    1,
    "Every machine has a network called bridge",
    on=("machine1", "machine2"),
    run="docker network ls",
    why="Each engine has made its own. They have one name and nothing else in common: no packet "
    "goes from the one to the other.",
)
def default_networks(step: Step) -> None:
    for machine in step.machines:
        found = step.network("bridge", machine)
        step.expect(
            "bridge exists: driver bridge, scope local",
            expected=["bridge", "local"],
            seen=[found.get("Driver"), found.get("Scope")],
            machine=machine,
        )


@bridge.step(
    2,
    "Run a container without a word about networks",
    on="machine1",
    run="docker run -d -t --name bridge1 {image}",
    why="It comes into the default network.",
)
def first(step: Step) -> None:
    containers.expect_running(step, "bridge1", "bridge")


@bridge.step(
    3, "Run a second one", on="machine1", run="docker run -d -t --name bridge2 {image}", needs=[2]
)
def second(step: Step) -> None:
    containers.expect_running(step, "bridge2", "bridge")


@bridge.step(
    4,
    "They reach each other by address, and not by name",
    on="machine1",
    book="docker exec bridge1 ping bridge2",
    needs=[2, 3],
    probe=True,
    why="On the default network containers are given the DNS servers of their machine, which know "
    "nothing of containers.",
)
def by_address_only(step: Step) -> None:
    here, there = (containers.end(step, n, "machine1", "bridge") for n in ("bridge1", "bridge2"))
    containers.expect_answer(step, here, there)
    containers.expect_no_name(step, here, "bridge2")


@bridge.step(
    5,
    "Create a bridge network of your own",
    on="machine1",
    run=f"docker network create -d bridge --subnet {SUBNET} {OWN}",
)
def create_network(step: Step) -> None:
    created = step.network(OWN)
    network.expect_created(step, created, "bridge", SUBNET)
    network.remember_network(step, created)


@bridge.step(
    6,
    "Run a container on it",
    on="machine1",
    run=f"docker run -d -t --name bridge3 --network {OWN} {{image}}",
    needs=[5],
)
def third(step: Step) -> None:
    containers.expect_running(step, "bridge3", OWN)


@bridge.step(
    7,
    "And another one",
    on="machine1",
    run=f"docker run -d -t --name bridge4 --network {OWN} {{image}}",
    needs=[5],
)
def fourth(step: Step) -> None:
    containers.expect_running(step, "bridge4", OWN)


@bridge.step(
    8,
    "Here names resolve, and nothing leaves the machine",
    on="machine1",
    book="docker exec bridge3 ping bridge4",
    needs=[6, 7],
    probe=True,
    why="On every network but the default one the engine answers DNS itself, at 127.0.0.11 in "
    "each container. Meanwhile the underlay is captured, where nothing of the ping may be seen.",
)
def by_name(step: Step) -> None:
    here, there = (containers.end(step, n, "machine1", OWN) for n in ("bridge3", "bridge4"))
    containers.expect_name(step, here, there)
    containers.expect_nothing_leaves(step, here, there, OWN)


@bridge.step(
    9,
    "Two bridge networks of one machine do not reach each other",
    on="machine1",
    book="docker exec bridge1 ping <bridge3's address>",
    needs=[2, 6],
    probe=True,
    why="The machine routes between its bridges, and the engine's firewall rules drop what goes "
    "from one of its networks to another.",
)
def isolated(step: Step) -> None:
    here = containers.end(step, "bridge1", "machine1", "bridge")
    there = containers.end(step, "bridge3", "machine1", OWN)
    containers.expect_no_answer(
        step, here, there.address, "bridge3", "Networks of one machine are kept apart."
    )


@bridge.step(
    10,
    "Run a container on the other machine",
    on="machine2",
    run="docker run -d -t --name bridge5 {image}",
)
def fifth(step: Step) -> None:
    containers.expect_running(step, "bridge5", "bridge")


@bridge.step(
    11,
    "The other machine's container does not reach them",
    on="machine2",
    book="docker exec bridge5 ping <bridge3's address>",
    needs=[6, 10],
    probe=True,
    why="The container reaches the first machine itself: its own machine sends that on under its "
    "own address (NAT). But nobody on the underlay knows where the addresses of a bridge are. That "
    "is what overlay networks are for.",
)
def not_from_elsewhere(step: Step) -> None:
    here = containers.end(step, "bridge5", "machine2", "bridge")
    there = containers.end(step, "bridge3", "machine1", OWN)
    machine = End("the first machine", there.machine.address, there.machine)
    containers.expect_answer(step, here, machine)
    containers.expect_no_answer(
        step, here, there.address, "bridge3", "A bridge network ends at its machine."
    )


@bridge.step(
    12,
    "Remove the containers of the first machine",
    on="machine1",
    run="docker rm -f bridge1 bridge2 bridge3 bridge4",
    undoes=[2, 3, 6, 7],
)
def remove_containers(step: Step) -> None:
    containers.expect_gone(step, ("bridge1", "bridge2", "bridge3", "bridge4"))


@bridge.step(13, "And that of the second", on="machine2", run="docker rm -f bridge5", undoes=[10])
def remove_fifth(step: Step) -> None:
    containers.expect_gone(step, ("bridge5",))


@bridge.step(
    14,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {OWN}",
    needs=[5],
    undoes=[5],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, OWN)
