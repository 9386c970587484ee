"""The ipvlan driver: containers on the underlay that share their machine's MAC address.

In the mode L2 they are in the underlay's subnet, in the mode L3 the kernel routes between subnets.
Source: https://docs.docker.com/engine/network/drivers/ipvlan/
"""

from __future__ import annotations

from scenarios.checks import containers, network, underlay
from scenarios.checks.path import End
from scenarios.evidence.capture import underlay_interface
from scenarios.kit.requires import device
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

NETWORK, ROUTED = "ipnet1", "ipnet2"
SUBNETS = ("172.30.51.0/24", "172.30.52.0/24")
BOTH = ("machine1", "machine2")

ipvlan = Scenario(
    "ipvlan",
    exercise="-",
    atlas=True,
    title="ipvlan: on the underlay, under the machine's own MAC address",
    summary="Containers have addresses of the underlay and the MAC address of their machine (L2), "
    "or subnets of their own that the kernel routes between, without any bridge (L3).",
    requires=(device("ipvlan", "l2"), device("ipvlan", "l3")),
    networks=(NETWORK, ROUTED),
    containers=("ip1", "ip2", "ip3", "ip4"),
)


@ipvlan.step(
    1,
    "Find the underlay's interface, and addresses that nobody has",
    on=BOTH,
    run="ip -o -4 address",
    why="As with macvlan, the engine does not know which addresses of the underlay are free.",
)
def look(step: Step) -> None:
    # Fills in {underlay}, {parent1}, {parent2}, {free1} and {free2} in the commands below.
    underlay.remember(step)


@ipvlan.step(
    2,
    "Create a network in the mode L2 on the first machine",
    on="machine1",
    run="docker network create -d ipvlan --subnet {underlay} -o parent={parent1} "
    f"-o ipvlan_mode=l2 {NETWORK}",
    needs=[1],
)
def create_first(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "ipvlan", step.names["underlay"])
    network.remember_network(step, created)


@ipvlan.step(
    3,
    "And on the second",
    on="machine2",
    run="docker network create -d ipvlan --subnet {underlay} -o parent={parent2} "
    f"-o ipvlan_mode=l2 {NETWORK}",
    needs=[1],
)
def create_second(step: Step) -> None:
    network.expect_created(step, step.network(NETWORK), "ipvlan", step.names["underlay"])


@ipvlan.step(
    4,
    "Run a container on the first machine",
    on="machine1",
    run=f"docker run -d -t --name ip1 --network {NETWORK} --ip {{free1}} {{image}}",
    needs=[2],
)
def first(step: Step) -> None:
    _expect_machines_mac(step, "ip1")


@ipvlan.step(
    5,
    "And one on the second",
    on="machine2",
    run=f"docker run -d -t --name ip2 --network {NETWORK} --ip {{free2}} {{image}}",
    needs=[3],
)
def second(step: Step) -> None:
    _expect_machines_mac(step, "ip2")


def _expect_machines_mac(step: Step, name: str) -> None:
    containers.expect_running(step, name, NETWORK)
    parent = underlay_interface(step.machine)
    shown = step.machine.run_checked(f"cat /sys/class/net/{parent}/address", 30).strip()
    here = End(name, "", step.machine)
    step.expect(
        f"{name} has the MAC address of {parent}",
        expected=[shown],
        seen=[link["address"] for link in containers.links(here) if link["ifname"] != "lo"],
        source="command",
    )


@ipvlan.step(
    6,
    "They reach each other, with nothing around their packets",
    on="machine1",
    book="docker exec ip1 ping <ip2's address>",
    needs=[4, 5],
    probe=True,
    why="The underlay sees one MAC address with several IP addresses: this works where a switch "
    "allows one MAC address on a port.",
)
def there(step: Step) -> None:
    here, there = (containers.end(step, f"ip{n}", f"machine{n}", NETWORK) for n in (1, 2))
    containers.expect_unwrapped(step, here, there, NETWORK)


@ipvlan.step(
    7,
    "A container reaches the other machine, and not its own",
    on="machine1",
    book="docker exec ip1 ping <the first machine's address>",
    needs=[4],
    probe=True,
)
def not_its_own_machine(step: Step) -> None:
    containers.expect_other_machine_only(step, "ip1", NETWORK)


@ipvlan.step(8, "Remove the first container", on="machine1", run="docker rm -f ip1", undoes=[4])
def remove_first(step: Step) -> None:
    containers.expect_gone(step, ("ip1",))


@ipvlan.step(9, "Remove the second", on="machine2", run="docker rm -f ip2", undoes=[5])
def remove_second(step: Step) -> None:
    containers.expect_gone(step, ("ip2",))


@ipvlan.step(
    10,
    "Remove the network on both machines",
    on=BOTH,
    run=f"docker network rm {NETWORK}",
    needs=[2, 3],
    undoes=[2, 3],
    why="An interface is the parent of ipvlan devices of one mode at a time.",
)
def remove_networks(step: Step) -> None:
    network.expect_no_network(step, NETWORK)


@ipvlan.step(
    11,
    "Create a network in the mode L3, with two subnets",
    on="machine1",
    run=f"docker network create -d ipvlan --subnet {SUBNETS[0]} --subnet {SUBNETS[1]} "
    f"-o parent={{parent1}} -o ipvlan_mode=l3 {ROUTED}",
    needs=[10],
    why="In this mode the parent routes: there are no broadcasts, no ARP, and no gateway.",
)
def create_routed(step: Step) -> None:
    created = step.network(ROUTED)
    step.expect("its driver is ipvlan", expected="ipvlan", seen=created.get("Driver"))
    step.expect("it has two subnets", expected=list(SUBNETS), seen=network.subnets(created))
    network.remember_network(step, created)


@ipvlan.step(
    12,
    "Run a container in the first subnet",
    on="machine1",
    run=f"docker run -d -t --name ip3 --network {ROUTED} --ip 172.30.51.10 {{image}}",
    needs=[11],
)
def third(step: Step) -> None:
    containers.expect_running(step, "ip3", ROUTED)


@ipvlan.step(
    13,
    "And one in the second",
    on="machine1",
    run=f"docker run -d -t --name ip4 --network {ROUTED} --ip 172.30.52.10 {{image}}",
    needs=[11],
)
def fourth(step: Step) -> None:
    containers.expect_running(step, "ip4", ROUTED)


@ipvlan.step(
    14,
    "The kernel routes between the two subnets",
    on="machine1",
    book="docker exec ip3 ping <ip4's address>",
    needs=[12, 13],
    probe=True,
    why="Bridge networks of one machine are kept apart by the engine; the subnets of an L3 network "
    "are not. Other machines reach them when they have a route to these subnets by this machine: "
    "the engine sets none.",
)
def routed(step: Step) -> None:
    here, there = (containers.end(step, f"ip{n}", "machine1", ROUTED) for n in (3, 4))
    containers.expect_nothing_leaves(step, here, there, ROUTED)


@ipvlan.step(
    15, "Remove the containers", on="machine1", run="docker rm -f ip3 ip4", undoes=[12, 13]
)
def remove_routed_containers(step: Step) -> None:
    containers.expect_gone(step, ("ip3", "ip4"))


@ipvlan.step(
    16,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {ROUTED}",
    needs=[11],
    undoes=[11],
)
def remove_routed(step: Step) -> None:
    network.expect_no_network(step, ROUTED)
