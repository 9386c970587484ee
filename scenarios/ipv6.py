"""IPv6 on a bridge network of one's own.

Source: https://docs.docker.com/engine/daemon/ipv6/
"""

from __future__ import annotations

from scenarios.checks import containers, network
from scenarios.checks.path import End
from scenarios.kit.requires import IPV6, Engine
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET, SUBNET6 = "172.30.47.0/24", "fd00:46:47::/64"
NETWORK = "sixnet1"

ipv6 = Scenario(
    "ipv6",
    exercise="-",
    atlas=True,
    title="IPv6 on a bridge network",
    summary="Containers have an IPv6 address beside the other one, reach each other by it, and "
    "their names lead to both.",
    machines=1,
    requires=(IPV6, Engine("20.10", "IPv6 on networks that have a subnet for it")),
    networks=(NETWORK,),
    containers=("six1", "six2"),
)


@ipv6.step(
    1,
    "Create a network with a subnet of each kind",
    on="machine1",
    run=f"docker network create -d bridge --ipv6 --subnet {SUBNET} --subnet {SUBNET6} {NETWORK}",
    why="fd00::/8 is for private networks, like 10.0.0.0/8. Engines before 27 give no IPv6 subnet "
    "by themselves.",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    step.expect("it has IPv6", expected=True, seen=created.get("EnableIPv6"))
    step.expect("it has both subnets", expected=[SUBNET, SUBNET6], seen=network.subnets(created))
    network.remember_network(step, created)


@ipv6.step(
    2,
    "Run a container on it",
    on="machine1",
    run=f"docker run -d -t --name six1 --network {NETWORK} {{image}}",
    needs=[1],
)
def first(step: Step) -> None:
    _expect_both(step, "six1")


@ipv6.step(
    3,
    "And another one",
    on="machine1",
    run=f"docker run -d -t --name six2 --network {NETWORK} {{image}}",
    needs=[1],
)
def second(step: Step) -> None:
    _expect_both(step, "six2")


def _expect_both(step: Step, name: str) -> None:
    found = containers.expect_running(step, name, NETWORK)
    for what, key, begin in (
        ("IPv4", "IPAddress", SUBNET.removesuffix("0/24")),
        ("IPv6", "GlobalIPv6Address", SUBNET6.removesuffix(":/64")),
    ):
        address = network.address_in(found, step.called(NETWORK), key)
        step.expect(
            f"{name} has an {what} address of the network",
            expected=f"{begin}…",
            seen=address or "none",
            passed=address.startswith(begin),
        )


@ipv6.step(
    4,
    "The name leads to both addresses, and both answer",
    on="machine1",
    book="docker exec six1 ping six2",
    needs=[2, 3],
    probe=True,
    why="A program that asks for a name is given both, and mostly takes IPv6 first. On overlay "
    "networks between machines Docker 26 gives IPv6 addresses too, and no names for them.",
)
def both_answer(step: Step) -> None:
    here, there = (_end(step, name, "IPAddress") for name in ("six1", "six2"))
    here6, there6 = (_end(step, name, "GlobalIPv6Address") for name in ("six1", "six2"))
    both = [there.address, there6.address]
    containers.expect_resolves(
        step, here, "six2", "the name six2 resolves to both of its addresses", both
    )
    containers.expect_answer(step, here, there)
    containers.expect_answer(step, here6, there6)


def _end(step: Step, name: str, key: str) -> End:
    return containers.end(step, name, "machine1", NETWORK, key)


@ipv6.step(5, "Remove the containers", on="machine1", run="docker rm -f six1 six2", undoes=[2, 3])
def remove_containers(step: Step) -> None:
    containers.expect_gone(step, ("six1", "six2"))


@ipv6.step(
    6,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[1],
    undoes=[1],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
