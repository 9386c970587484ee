"""Mistakes that people make in the overlay exercise, as data: what is typed, and its name.

Each begins where the steps before `at` are done: at step 5 there is nothing yet, at step 7 the
network, at step 8 the first service, at steps 16 and 17 all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.hosts import root as roots

IMAGE = roots.TAG
CREATE = "docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1"


def service(
    number: int = 1,
    name: str = "",
    network: str = "--network overlaynet1",
    on: str = "",
    image: str = IMAGE,
    more: str = "",
    terminal: str = "-t",
) -> str:
    """A `docker service create` that does not wait until the service has converged."""
    name = name or f"alpine-overlay{number}"
    where = on or f"machine{number}"
    return (
        f"docker service create -d {terminal} {network} --name {name} "
        f"--constraint node.hostname=={where} --stop-grace-period 1s --no-resolve-image "
        f"{more} {image}"
    )


@dataclass(frozen=True)
class Planted:
    """A mistake: commands with the host that each is typed on, and the name it must be given.

    `refused` are those that the engine refuses. `undo` takes back what the mistake's own command
    leaves.
    """

    name: str
    at: str
    typed: tuple[tuple[int, str], ...]
    refused: tuple[tuple[int, str], ...] = ()
    undo: tuple[tuple[int, str], ...] = field(default=())


PLANTED = [
    Planted(
        "another driver",
        "5",
        ((1, "docker network create --subnet 172.45.0.0/16 overlaynet1"),),
    ),
    Planted(
        "another subnet",
        "5",
        ((1, "docker network create -d overlay --subnet 172.46.0.0/16 overlaynet1"),),
    ),
    Planted("another subnet", "5", ((1, "docker network create -d overlay overlaynet1"),)),
    Planted(
        "created on a worker",
        "5",
        ((2, "docker network create --subnet 172.45.0.0/16 overlaynet1"),),
    ),
    Planted("another name", "5", ((1, "docker network create -d overlay overlynet1"),)),
    Planted(
        "another name",
        "5",
        ((1, "docker network create --subnet 172.45.0.0/16 overlaynet"),),
    ),
    Planted(
        "a container instead of a service",
        "7",
        ((1, f"docker run -dt --name alpine-overlay1 {IMAGE}"),),
    ),
    Planted(
        "a container instead of a service",
        "7",
        ((2, f"docker run -dt --name alpine-overlay1 {IMAGE}"),),
    ),
    Planted("not on the network", "7", ((1, service(network="")),)),
    Planted(
        "on another network",
        "7",
        (
            (1, "docker network create -d overlay other1"),
            (1, service(network="--network other1")),
        ),
        undo=((1, "docker network rm other1"),),
    ),
    Planted("another endpoint mode", "7", ((1, service(more="--endpoint-mode dnsrr")),)),
    Planted("on every node", "7", ((1, service(more="--mode global")),)),
    Planted("another number of tasks", "7", ((1, service(more="--replicas 3")),)),
    Planted("another number of tasks", "7", ((1, service(more="--replicas 0")),)),
    Planted("the image is missing", "7", ((1, service(image="swarmrig/nothing:latest")),)),
    Planted("no node fits the constraint", "7", ((1, service(on="machine9")),)),
    Planted("the shell ends at once", "7", ((1, service(terminal="")),)),
    Planted("the task does not start", "7", ((1, service(image=f"{IMAGE} nosuchcommand")),)),
    Planted("on another node", "7", ((1, service(on="machine2")),)),
    Planted("another name", "7", ((1, service(name="alpine-ovrlay1", network="")),)),
    Planted("another name", "7", ((1, service(name="web", on="machine2")),)),
    Planted(
        "nodes are drained",
        "7",
        (
            (1, "docker node update --availability drain machine1"),
            (1, "docker node update --availability drain machine2"),
            (1, service()),
        ),
        undo=(
            (1, "docker node update --availability active machine1"),
            (1, "docker node update --availability active machine2"),
            (1, "docker service rm alpine-overlay1"),
        ),
    ),
    Planted("both tasks on one node", "8", ((1, service(2, on="machine1")),)),
    Planted(
        "a service is left",
        "16",
        ((1, "docker service rm alpine-overlay1"),),
        undo=((1, service(1)),),
    ),
    Planted(
        "typed on a worker",
        "16",
        (),
        refused=((2, "docker service rm alpine-overlay1 alpine-overlay2"),),
    ),
    Planted("network in use", "17", ((1, service(1, name="web")),)),
]
