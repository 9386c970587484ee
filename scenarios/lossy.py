"""A lossy underlay: what an overlay network makes of packets that are lost.

It carries packets and no more: what is lost on the underlay is lost in the overlay, and what
repairs it is TCP, in the tasks and between the managers.
Source: RFC 7348 (VXLAN), section 4: its packets are UDP, and nobody sends them again.
"""

from __future__ import annotations

from provision.faults import library
from scenarios.checks import failures, impaired, network, path
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

NETWORK, SUBNET = "lossy1", "172.47.0.0/16"
FIRST, SECOND = "lossy-a", "lossy-b"
PERCENT = 10
PINGS = 200
# Of 200 at one in ten, none or more than 60 lost come less than once in a thousand million runs.
LEAST, MOST = 1, 60

lossy = Scenario(
    "lossy",
    exercise="-",
    title="A lossy underlay",
    summary="Of what the first host sends, one packet in ten is lost. The overlay network loses as "
    "many, TCP repairs it, and the swarm takes no notice.",
    services=(FIRST, SECOND),
    networks=(NETWORK,),
    restore=failures.whole_again,
)


@lossy.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@lossy.step(
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


@lossy.step(
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


@lossy.step(
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


@lossy.step(
    5,
    "Before: nothing is lost",
    on="machine1",
    book="ping <the second machine's address>\ndocker exec <lossy-a task> ping <lossy-b's address>",
    needs=[3, 4],
    probe=True,
    why="The same pings once from host to host and once from task to task, which is the same way "
    "with VXLAN around it.",
)
def nothing_is_lost(step: Step) -> None:
    impaired.remember_ends(step, NETWORK, (FIRST, SECOND))
    impaired.expect_all_answered(step, impaired.underlay(step))
    impaired.expect_all_answered(step, impaired.overlay(step))


@lossy.step(
    6,
    "One packet in ten is lost on the underlay",
    on="machine1",
    breaks=library.loss("machine1", "machine2", percent=PERCENT),
    lasts=900,
    book="ping <the second machine's address>",
    needs=[5],
    probe=True,
    why="Only what the first host sends is lost; what comes back arrives.",
)
def underlay_loses(step: Step) -> None:
    impaired.expect_lost(step, impaired.underlay(step), PINGS, LEAST, MOST)


@lossy.step(
    7,
    "The overlay network loses as many",
    on="machine1",
    book="docker exec <lossy-a task> ping <lossy-b's address>",
    needs=[6],
    probe=True,
    why="VXLAN sends nothing again, and adds no loss of its own.",
)
def overlay_loses(step: Step) -> None:
    impaired.expect_lost(
        step,
        impaired.overlay(step),
        PINGS,
        LEAST,
        MOST,
        proves="The overlay network neither repairs what is lost below it nor loses much more.",
    )


@lossy.step(
    8,
    "TCP arrives all the same",
    on="machine1",
    book="docker exec <lossy-a task> nc <lossy-b's address>",
    needs=[6],
    probe=True,
    why="The tasks' own kernels send again what was lost. It takes longer.",
)
def tcp_arrives(step: Step) -> None:
    path.expect_tcp(step, path.end(step, "1"), path.end(step, "2"))


@lossy.step(
    9,
    "The swarm takes no notice",
    on="machine1",
    run="docker node ls",
    needs=[6],
    why="Managers and workers talk by TCP, too, and a node is Down only when three heartbeats in a "
    "row are missed.",
)
def still_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@lossy.step(
    10,
    "The underlay is as before",
    on="machine1",
    heals=6,
    needs=[6],
    probe=True,
)
def healed(step: Step) -> None:
    impaired.expect_all_answered(step, impaired.underlay(step))
    impaired.expect_all_answered(step, impaired.overlay(step))


@lossy.step(
    11,
    "Remove both services",
    on="machine1",
    run=f"docker service rm {FIRST} {SECOND}",
    needs=[2],
    undoes=[3, 4],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, [FIRST, SECOND])


@lossy.step(
    12,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[2],
    undoes=[2],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
