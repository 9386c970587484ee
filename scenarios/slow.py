"""A slow underlay: what an overlay network adds to a round trip.

What the first host sends to the second is 100 ms late, as over a long way. A round trip has that
once, whoever begins it.
"""

from __future__ import annotations

from provision.faults import library
from scenarios.checks import failures, impaired, network, path
from scenarios.kit.requires import NETEM
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

NETWORK, SUBNET = "slow1", "172.48.0.0/16"
FIRST, SECOND = "slow-a", "slow-b"
LATE = 100  # milliseconds
ADDS = 50  # milliseconds: far more than an encapsulation takes, even on an emulated machine

slow = Scenario(
    "slow",
    exercise="-",
    title="A slow underlay",
    summary="What the first host sends arrives 100 ms late. Over the overlay a round trip is "
    "as late as on the underlay, and hardly more.",
    requires=(NETEM,),
    services=(FIRST, SECOND),
    networks=(NETWORK,),
    restore=failures.whole_again,
)


@slow.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@slow.step(
    2,
    "Create an overlay network",
    on="machine1",
    run=f"docker network create -d overlay --subnet {SUBNET} {NETWORK}",
    needs=[1],
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    network.remember_network(step, created)


@slow.step(
    3,
    "Start a service on the first host",
    on="machine1",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --name {FIRST} "
    "--constraint node.id=={node1} --no-resolve-image {image}",
    service=FIRST,
    needs=[2],
)
def first_service(step: Step) -> None:
    network.expect_one_task(step, FIRST, on="machine1")


@slow.step(
    4,
    "Start a service on the second host",
    on="machine1",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --name {SECOND} "
    "--constraint node.id=={node2} --no-resolve-image {image}",
    service=SECOND,
    needs=[2],
)
def second_service(step: Step) -> None:
    network.expect_one_task(step, SECOND, on="machine2")


@slow.step(
    5,
    "Before: a round trip is short",
    on="machine1",
    book="ping <the second machine's address>\ndocker exec <slow-a task> ping <slow-b's address>",
    needs=[3, 4],
    probe=True,
    why="The same pings once from host to host and once from task to task, which is the same way "
    "with VXLAN around it.",
)
def short_before(step: Step) -> None:
    impaired.remember_ends(step, NETWORK, (FIRST, SECOND))
    impaired.expect_not_late(step, impaired.underlay(step), LATE)
    impaired.expect_not_late(step, impaired.overlay(step), LATE)


@slow.step(
    6,
    "What the first host sends is late",
    on="machine1",
    breaks=library.delay("machine1", "machine2", ms=LATE),
    lasts=900,
    book="ping <the second machine's address>\ndocker exec <slow-a task> ping <slow-b's address>",
    needs=[5],
    probe=True,
    why="Encapsulated packets wait in the same queue as others, once. The overlay network adds the "
    "time in which a kernel puts 50 bytes around a packet.",
)
def late(step: Step) -> None:
    below = impaired.expect_late(step, impaired.underlay(step), LATE)
    above = impaired.expect_late(step, impaired.overlay(step), LATE)
    step.expect(
        "the overlay network adds little to it",
        expected=f"less than {ADDS} ms",
        seen=f"{max(0.0, above - below):.1f} ms",
        passed=above - below < ADDS,
        source="ping",
        proves="The delay is not there twice: the way of an overlay packet is that of any other.",
    )


@slow.step(
    7,
    "TCP arrives",
    on="machine1",
    book="docker exec <slow-a task> nc <slow-b's address>",
    needs=[6],
    probe=True,
    why="Each connection takes a round trip before its first byte, and one more for each window of "
    "data.",
)
def tcp_arrives(step: Step) -> None:
    path.expect_tcp(step, path.end(step, "1"), path.end(step, "2"))


@slow.step(
    8,
    "The swarm takes no notice",
    on="machine1",
    run="docker node ls",
    needs=[6],
    why="Heartbeats come every five seconds; a tenth of a second is nothing to them.",
)
def still_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@slow.step(
    9,
    "The underlay is as before",
    on="machine1",
    heals=6,
    needs=[6],
    probe=True,
)
def healed(step: Step) -> None:
    impaired.expect_not_late(step, impaired.underlay(step), LATE)
    impaired.expect_not_late(step, impaired.overlay(step), LATE)


@slow.step(
    10,
    "Remove both services",
    on="machine1",
    run=f"docker service rm {FIRST} {SECOND}",
    needs=[2],
    undoes=[3, 4],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, [FIRST, SECOND])


@slow.step(
    11,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[2],
    undoes=[2],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
