"""The macvlan driver: containers as machines of the underlay, each with a MAC address of its own.

Source: https://docs.docker.com/engine/network/drivers/macvlan/
"""

from __future__ import annotations

from scenarios.checks import containers, network, underlay
from scenarios.evidence.capture import underlay_interface
from scenarios.kit.requires import device
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

NETWORK = "macnet1"
BOTH = ("machine1", "machine2")

macvlan = Scenario(
    "macvlan",
    exercise="-",
    atlas=True,
    title="macvlan: containers on the underlay itself",
    summary="A container has an address of the underlay and a MAC address of its own, like a "
    "machine beside the others. Nothing is put around its packets.",
    requires=(device("macvlan", "bridge"),),
    networks=(NETWORK,),
    containers=("mac1", "mac2"),
)


@macvlan.step(
    1,
    "Find the underlay's interface, and addresses that nobody has",
    on=BOTH,
    run="ip -o -4 address",
    why="The engine does not ask the underlay which addresses are free: it gives away what it was "
    "told to. Here two are looked for that nobody answers at.",
)
def look(step: Step) -> None:
    # Fills in {underlay}, {parent1}, {parent2}, {free1} and {free2} in the commands below.
    underlay.remember(step)


@macvlan.step(
    2,
    "Create the network on the first machine",
    on="machine1",
    run=f"docker network create -d macvlan --subnet {{underlay}} -o parent={{parent1}} {NETWORK}",
    needs=[1],
    why="Its parent is the interface on the underlay; its subnet is the underlay's own.",
)
def create_first(step: Step) -> None:
    _expect_created(step)
    network.remember_network(step, step.network(NETWORK))


@macvlan.step(
    3,
    "And on the second",
    on="machine2",
    run=f"docker network create -d macvlan --subnet {{underlay}} -o parent={{parent2}} {NETWORK}",
    needs=[1],
    why="The two networks know nothing of each other: what joins them is the underlay.",
)
def create_second(step: Step) -> None:
    _expect_created(step)


def _expect_created(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "macvlan", step.names["underlay"])
    step.expect(
        "its parent is the interface on the underlay",
        expected=underlay_interface(step.machine),
        seen=(created.get("Options") or {}).get("parent"),
    )


@macvlan.step(
    4,
    "Run a container on the first machine",
    on="machine1",
    run=f"docker run -d -t --name mac1 --network {NETWORK} --ip {{free1}} {{image}}",
    needs=[2],
    why="Each engine would begin with the first address of the subnet, so that two of them give "
    "the same one twice: --ip says which.",
)
def first(step: Step) -> None:
    _expect_own_mac(step, "mac1")


@macvlan.step(
    5,
    "And one on the second",
    on="machine2",
    run=f"docker run -d -t --name mac2 --network {NETWORK} --ip {{free2}} {{image}}",
    needs=[3],
)
def second(step: Step) -> None:
    _expect_own_mac(step, "mac2")


def _expect_own_mac(step: Step, name: str) -> None:
    found = containers.expect_running(step, name, NETWORK)
    own = network.address_in(found, step.called(NETWORK), "MacAddress")
    parent = underlay_interface(step.machine)
    shown = step.machine.run_checked(f"cat /sys/class/net/{parent}/address", 30).strip()
    step.expect(
        f"{name} has a MAC address, and not that of {parent}",
        expected=f"another one than {shown}",
        seen=own or "none",
        passed=bool(own) and own != shown,
    )


@macvlan.step(
    6,
    "They reach each other, with nothing around their packets",
    on="machine1",
    book="docker exec mac1 ping <mac2's address>",
    needs=[4, 5],
    probe=True,
    why="The captures show the containers' own addresses on the underlay: no MTU is lost, and "
    "every machine there sees the containers. Switches must allow several MAC addresses on one "
    "port, which clouds and wireless networks often do not.",
)
def there(step: Step) -> None:
    here, there = (containers.end(step, f"mac{n}", f"machine{n}", NETWORK) for n in (1, 2))
    containers.expect_unwrapped(step, here, there, NETWORK)


@macvlan.step(
    7,
    "And the other way round",
    on="machine2",
    book="docker exec mac2 ping <mac1's address>",
    needs=[4, 5],
    probe=True,
)
def back(step: Step) -> None:
    here, there = (containers.end(step, f"mac{n}", f"machine{n}", NETWORK) for n in (2, 1))
    containers.expect_unwrapped(step, here, there, NETWORK)


@macvlan.step(
    8,
    "A container reaches the other machine, and not its own",
    on="machine1",
    book="docker exec mac1 ping <the first machine's address>",
    needs=[4],
    probe=True,
    why="What a macvlan device sends goes out of the parent, and never up to the machine that the "
    "parent belongs to. Health checks from the machine itself fail for that reason.",
)
def not_its_own_machine(step: Step) -> None:
    containers.expect_other_machine_only(step, "mac1", NETWORK)


@macvlan.step(9, "Remove the first container", on="machine1", run="docker rm -f mac1", undoes=[4])
def remove_first(step: Step) -> None:
    containers.expect_gone(step, ("mac1",))


@macvlan.step(10, "Remove the second", on="machine2", run="docker rm -f mac2", undoes=[5])
def remove_second(step: Step) -> None:
    containers.expect_gone(step, ("mac2",))


@macvlan.step(
    11,
    "Remove the network on both machines",
    on=BOTH,
    run=f"docker network rm {NETWORK}",
    needs=[2, 3],
    undoes=[2, 3],
)
def remove_networks(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
