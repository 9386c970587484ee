"""An MTU that is wrong: small packets pass, large ones vanish, and connections hang.

Docker gives an overlay network an MTU of 1450 bytes, which with VXLAN around it needs 1500 on the
underlay. Where something on the way passes less and tells nobody, everything seems to work: names
resolve, pings are answered, connections are made. What is sent in them never arrives.
Source: https://docs.docker.com/engine/swarm/networking/, RFC 2923 (black holes)
"""

from __future__ import annotations

from provision.faults import library
from scenarios.checks import failures, impaired, network, path
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

NETWORK, SUBNET = "narrow1", "172.49.0.0/16"
FITTING, FITTING_SUBNET = "narrow2", "172.50.0.0/16"
FIRST, SECOND = "narrow-a", "narrow-b"
PASSES = 1400  # bytes of a packet that still passes on the underlay
VXLAN = 50  # bytes of the outer headers
FITS = PASSES - VXLAN

narrow = Scenario(
    "narrow",
    exercise="-",
    title="An MTU that is wrong",
    summary="The underlay passes no packets of more than 1400 bytes, and tells nobody. Pings are "
    "answered and TCP hangs; a network with a smaller MTU works.",
    services=(FIRST, SECOND),
    networks=(NETWORK, FITTING),
    restore=failures.whole_again,
)


def _full_size(size: int, inside_of: str) -> str:
    """A ping of packets of so many bytes from the first task, with the machine's own ping."""
    return (
        "sudo nsenter -n -t $(docker inspect -f '{{.State.Pid}}' <narrow-a task>) "
        f"ping -M do -s {size - 28} <narrow-b's address in {inside_of}>"
    )


@narrow.step(1, "All nodes are Ready", on="machine1", run="docker node ls")
def nodes_are_ready(step: Step) -> None:
    failures.expect_all_ready(step)


@narrow.step(
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


@narrow.step(
    3,
    "And one whose packets are smaller",
    on="machine1",
    run=f"docker network create -d overlay --subnet {FITTING_SUBNET} "
    f"--opt com.docker.network.driver.mtu={PASSES} {FITTING}",
    needs=[1],
    why="For the end of the exercise. The option has what passes on the underlay; Docker takes 50 "
    "bytes off for VXLAN, so that packets in this network have 1350.",
)
def create_fitting_network(step: Step) -> None:
    created = step.network(FITTING)
    network.expect_created(step, created, "overlay", FITTING_SUBNET)
    step.expect(
        "its MTU is the one given",
        expected=str(PASSES),
        seen=(created.get("Options") or {}).get("com.docker.network.driver.mtu"),
    )


@narrow.step(
    4,
    "Start a service on the first host",
    on="machine1",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --network {FITTING} "
    f"--name {FIRST} --constraint node.id=={{node1}} --no-resolve-image {{image}}",
    service=FIRST,
    needs=[2, 3],
    why="Its task has an interface in each of the two networks.",
)
def first_service(step: Step) -> None:
    network.expect_one_task(step, FIRST, on="machine1")


@narrow.step(
    5,
    "Start a service on the second host",
    on="machine1",
    run=f"docker service create -t --replicas 1 --network {NETWORK} --network {FITTING} "
    f"--name {SECOND} --constraint node.id=={{node2}} --no-resolve-image {{image}}",
    service=SECOND,
    needs=[2, 3],
)
def second_service(step: Step) -> None:
    network.expect_one_task(step, SECOND, on="machine2")


@narrow.step(
    6,
    "Before: all of it passes",
    on="machine1",
    book="docker exec <narrow-a task> ping <narrow-b's address in narrow1>",
    needs=[4, 5],
    probe=True,
)
def all_passes(step: Step) -> None:
    impaired.remember_ends(step, NETWORK, (FIRST, SECOND))
    impaired.expect_all_answered(step, impaired.overlay(step))
    path.expect_any_size(step, path.end(step, "1"), path.end(step, "2"), NETWORK)


@narrow.step(
    7,
    "The underlay passes 1400 bytes, and small pings are answered",
    on="machine1",
    breaks=library.mtu("machine2", "machine1", size=PASSES),
    lasts=900,
    book="docker exec <narrow-a task> ping <narrow-b's address in narrow1>",
    needs=[6],
    probe=True,
    why="A ping has 84 bytes. It says that everything is well, which is why this takes so long to "
    "find.",
)
def small_pings_pass(step: Step) -> None:
    impaired.expect_all_answered(step, impaired.underlay(step))
    impaired.expect_all_answered(step, impaired.overlay(step))


@narrow.step(
    8,
    "Full-size packets vanish",
    on="machine1",
    book=_full_size(1450, NETWORK),
    needs=[7],
    probe=True,
    why="Pings of the network's own size, which must not be fragmented, show it: halving finds the "
    "largest one that is answered. 50 bytes less than the underlay passes are VXLAN's.",
)
def full_size_vanishes(step: Step) -> None:
    path.expect_no_full_size(step, path.end(step, "1"), path.end(step, "2"), NETWORK, FITS)


@narrow.step(
    9,
    "TCP hangs",
    on="machine1",
    book="docker exec <narrow-a task> nc <narrow-b's address in narrow1>",
    needs=[7],
    probe=True,
    why="This is how people meet it: a login that stops after the first lines, a download that "
    "begins and stands still.",
)
def tcp_hangs(step: Step) -> None:
    path.expect_no_tcp(step, path.end(step, "1"), path.end(step, "2"))


@narrow.step(
    10,
    "In the network with the smaller MTU full-size packets pass",
    on="machine1",
    book=_full_size(FITS, FITTING),
    needs=[7],
    probe=True,
    why="Where the underlay cannot be repaired, the overlay network is made to fit: --opt "
    "com.docker.network.driver.mtu when it is created. It cannot be changed later.",
)
def fitting_network_works(step: Step) -> None:
    here = impaired.address_in(step, "1", FIRST, FITTING)
    there = impaired.address_in(step, "2", SECOND, FITTING)
    failures.wait_until_answered(step, here, there)
    path.expect_full_size(step, here, there, FITTING, size=FITS)


@narrow.step(
    11,
    "The underlay is as before, and TCP arrives",
    on="machine1",
    heals=7,
    needs=[7],
    probe=True,
)
def healed(step: Step) -> None:
    failures.wait_until_answered(step, path.end(step, "1"), path.end(step, "2"))
    path.expect_any_size(step, path.end(step, "1"), path.end(step, "2"), NETWORK)


@narrow.step(
    12,
    "Remove both services",
    on="machine1",
    run=f"docker service rm {FIRST} {SECOND}",
    needs=[2],
    undoes=[4, 5],
)
def remove_services(step: Step) -> None:
    network.expect_no_containers(step, [FIRST, SECOND])


@narrow.step(
    13,
    "Remove both networks",
    on="machine1",
    run=f"docker network rm {NETWORK} {FITTING}",
    needs=[2],
    undoes=[2, 3],
)
def remove_networks(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
    network.expect_no_network(step, FITTING)
