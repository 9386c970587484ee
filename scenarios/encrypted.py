"""An encrypted overlay network: ESP on the underlay, where VXLAN could be read otherwise.

Source: https://docs.docker.com/engine/network/drivers/overlay/ (encryption)
"""

from __future__ import annotations

from scenarios.checks import containers, network, path
from scenarios.evidence.encapsulation import encrypted_vxlan
from scenarios.kit.requires import ESP
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

SUBNET = "10.46.2.0/24"
NETWORK = "secretnet1"

encrypted = Scenario(
    "encrypted",
    exercise="-",
    atlas=True,
    title="An encrypted overlay network",
    summary="The machines encrypt what containers say to each other. Whoever listens on the "
    "underlay sees that they talk, and not what they say.",
    requires=(ESP,),
    networks=(NETWORK,),
    containers=("secret1", "secret2"),
)


@encrypted.step(
    1,
    "Create an encrypted overlay network",
    on="machine1",
    run="docker network create -d overlay --attachable --opt encrypted "
    f"--subnet {SUBNET} {NETWORK}",
    why="Without the option an overlay network is readable: VXLAN is a header, and hides nothing. "
    "With it the nodes of the network agree on keys (AES-GCM), which a manager renews every twelve "
    "hours, and their kernels put VXLAN into ESP.",
)
def create_network(step: Step) -> None:
    created = step.network(NETWORK)
    network.expect_created(step, created, "overlay", SUBNET)
    step.expect(
        "it is encrypted", expected=True, seen="encrypted" in (created.get("Options") or {})
    )
    network.remember_network(step, created)


@encrypted.step(
    2,
    "Run a container on the first machine",
    on="machine1",
    run=f"docker run -d -t --name secret1 --network {NETWORK} {{image}}",
    needs=[1],
)
def first(step: Step) -> None:
    containers.expect_running(step, "secret1", NETWORK)


@encrypted.step(
    3,
    "And one on the second",
    on="machine2",
    run=f"docker run -d -t --name secret2 --network {NETWORK} {{image}}",
    needs=[1],
)
def second(step: Step) -> None:
    containers.expect_running(step, "secret2", NETWORK)


@encrypted.step(
    4,
    "They reach each other, and nobody can read it",
    on="machine1",
    book="docker exec secret1 ping secret2",
    needs=[2, 3],
    probe=True,
    why="The capture asks for ESP and for readable VXLAN: as many ESP packets as were sent have to "
    "be there, and no VXLAN with these addresses. The network's MTU is smaller than that of other "
    "overlay networks, because ESP takes room as well.",
)
def there(step: Step) -> None:
    _expect_way(step, "1", "2")


@encrypted.step(
    5,
    "And the other way round",
    on="machine2",
    book="docker exec secret2 ping secret1",
    needs=[2, 3],
    probe=True,
)
def back(step: Step) -> None:
    _expect_way(step, "2", "1")


def _expect_way(step: Step, one: str, other: str) -> None:
    here, there = (
        containers.end(step, f"secret{number}", f"machine{number}", NETWORK)
        for number in (one, other)
    )
    containers.expect_name(step, here, there)
    how = encrypted_vxlan(step.context.data_path_port)
    if network.expect_crossing(step, here, there, how):
        path.expect_any_size(step, here, there, NETWORK)


@encrypted.step(
    6, "Remove the first container", on="machine1", run="docker rm -f secret1", undoes=[2]
)
def remove_first(step: Step) -> None:
    containers.expect_gone(step, ("secret1",))


@encrypted.step(
    7, "Remove the second container", on="machine2", run="docker rm -f secret2", undoes=[3]
)
def remove_second(step: Step) -> None:
    containers.expect_gone(step, ("secret2",))


@encrypted.step(
    8,
    "Remove the network",
    on="machine1",
    run=f"docker network rm {NETWORK}",
    needs=[1],
    undoes=[1],
)
def remove_network(step: Step) -> None:
    network.expect_no_network(step, NETWORK)
