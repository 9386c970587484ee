"""The puzzles, as data: what is planted, how hard it is to find, the right answer, and the hints.

`{on}` is the machine that has the fault, `{other}` the other one, `{manager}` the first machine. A
hint's commands are typed over ssh by somebody who may sudo; those of the last one repair it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from provision.faults import library
from provision.faults.fault import Fault
from provision.lab.swarm import GOSSIP_PORT
from scenarios.puzzle.situation import LOCAL, NETWORK, OFFICE, SHOP, SHORT_PORT, STOCK

Difficulty = Literal["easy", "medium", "hard"]
BOTH = ("machine1", "machine2")
FIRST, SECOND = ("machine1",), ("machine2",)
_MANAGERS = "2377/tcp"


@dataclass(frozen=True)
class Scene:
    """What a fault is planted in: the machines' names, node ids, and the swarm's VXLAN port.

    `other` is the machine of the other service, `others` are all machines but `on`.
    """

    on: str
    other: str
    others: tuple[str, ...]
    manager: str
    node: str
    image: str
    vxlan: str


Commands = tuple[tuple[str, str], ...]  # where ("on", "other", "manager"), and what is typed


@dataclass(frozen=True)
class Puzzle:
    """One puzzle. `places` are the machines that can have the fault; none, where none has.

    `layers` are right answers, the most exact one first. With `either`, both machines are right.
    `own` says that nothing but the puzzle's own services suffers from it. `service` is
    the one that it is about; the one on the machine, where it is not said. `one_manager` says that
    of several the wrong one may lead, and nothing would break.
    """

    number: int
    difficulty: Difficulty
    places: tuple[str, ...]
    layers: tuple[str, ...]
    plant: Callable[[Scene], list[Fault]]
    what: str
    look: str
    ask: Commands
    repair: Commands
    either: bool = False
    own: bool = False
    service: str = ""
    one_manager: bool = False


_FILTERS: Commands = (("on", "sudo iptables -t mangle -S"), ("on", "sudo nft list ruleset"))
_UNFILTER: Commands = (("on", "{unfilter}"),)
_ASK_SERVICE: Commands = (
    ("manager", "docker service ps --no-trunc {service}"),
    ("manager", "docker service inspect --pretty {service}"),
)
_ASK_DAEMON: Commands = (
    ("on", "systemctl status docker"),
    ("on", "sudo journalctl -u docker -n 30 --no-pager"),
)
_DUMP = "sudo tcpdump -ni any -c 20 udp port {vxlan}"


def _changed(service: str, wrong: str, right: str) -> Callable[[Scene], list[Fault]]:
    """A service that is updated with these options; `{image}` is filled in."""

    def plant(scene: Scene) -> list[Fault]:
        back = right.replace("{image}", scene.image)
        change = library.changed_service
        return [change(scene.manager, service, tuple(wrong.split()), tuple(back.split()))]

    return plant


def _gossip(scene: Scene) -> list[Fault]:
    port = str(GOSSIP_PORT)
    # All others: a third node would ask for one that two do not hear from each other.
    return [
        *(library.partition(other, scene.on, port=port, one_way=True) for other in scene.others),
        library.mute(scene.on, *scene.others, port=port),
    ]


def _both_local(scene: Scene) -> list[Fault]:
    wrong, right = _moved(NETWORK, LOCAL), _moved(LOCAL, NETWORK)
    return [
        library.changed_service(scene.manager, service, wrong, right) for service in (STOCK, SHOP)
    ]


def _published(port: int) -> str:
    return f"--publish-rm mode=host,target=80 --publish-add mode=host,published={port},target=80"


def _moved(source: str, target: str) -> tuple[str, ...]:
    return ("--network-rm", source, "--network-add", target)


PUZZLES = (
    Puzzle(
        1,
        "easy",
        SECOND,
        ("engine",),
        lambda scene: [library.kill_daemon(scene.on)],
        "Docker's daemon on {on} was killed, and nobody started it again.",
        "Ask the swarm which of its nodes are Ready, and then the machine of one that is not.",
        (("manager", "docker node ls"), *_ASK_DAEMON),
        (("on", "sudo systemctl start docker"),),
    ),
    Puzzle(
        2,
        "easy",
        (),
        ("scheduling",),
        _changed(STOCK, "--replicas 0", "--replicas 1"),
        "The service {service} was scaled to no task at all.",
        "Compare how many tasks each service wants with how many it has.",
        (("manager", "docker service ls"), *_ASK_SERVICE),
        (("manager", "docker service scale {service}=1"),),
        own=True,
        service=STOCK,
    ),
    Puzzle(
        3,
        "medium",
        BOTH,
        ("overlay", "underlay"),
        lambda scene: [
            library.partition(scene.other, scene.on, port=f"{scene.vxlan}/udp", one_way=True)
        ],
        "{on} drops the VXLAN packets (UDP port {vxlan}) that arrive from {other}.",
        "All nodes are Ready, and the name is known. See how far a packet of the overlay network "
        "comes: does it leave one machine, does it arrive at the other, does an answer leave?",
        ((("on", _DUMP)), ("other", _DUMP), *_FILTERS),
        _UNFILTER,
    ),
    Puzzle(
        4,
        "easy",
        BOTH,
        ("scheduling",),
        lambda scene: [library.drain(scene.on, scene.manager, scene.node)],
        "The node {on} is drained: it takes no tasks, and another one is not allowed.",
        "A task is pending. Ask why, and whether its node takes tasks.",
        (("manager", "docker service ps --no-trunc {service}"), ("manager", "docker node ls")),
        (("manager", "docker node update --availability active {node}"),),
    ),
    Puzzle(
        5,
        "medium",
        BOTH,
        ("mtu",),
        lambda scene: [library.mtu(scene.on, scene.other, size=1400)],
        "Between {on} and {other}, packets larger than 1400 bytes are lost, and nobody is told.",
        "Short answers arrive, long ones do not. Ask how large a packet may be between the "
        "machines.",
        (("on", "ping -c 3 -M do -s 1472 {address}"), ("on", "ping -c 3 -M do -s 1372 {address}")),
        (("on", "{unfilter}"), ("other", "{unfilter}")),
        either=True,
    ),
    Puzzle(
        6,
        "easy",
        (),
        ("service",),
        _changed(
            SHOP,
            _published(SHORT_PORT + 2),
            _published(SHORT_PORT),
        ),
        f"{{service}} publishes port {SHORT_PORT + 2}, and its customers ask at {SHORT_PORT}.",
        "The service runs. Compare the port that is asked with those that the machine listens to.",
        (("manager", "sudo ss -tlnp"), *_ASK_SERVICE),
        (
            (
                "manager",
                f"docker service update {_published(SHORT_PORT)} {{service}}",
            ),
        ),
        own=True,
        service=SHOP,
    ),
    Puzzle(
        7,
        "medium",
        (),
        ("names",),
        _changed(SHOP, f"--host-add {STOCK}:192.0.2.9", f"--host-rm {STOCK}:192.0.2.9"),
        "{service} has an entry of its own for the name of the stock, and the address is wrong.",
        "The stock runs and answers at its address. See which address the shop asks.",
        (
            ("manager", "docker exec $(docker ps -q -f name={service}) cat /etc/hosts"),
            *_ASK_SERVICE,
        ),
        (("manager", f"docker service update --host-rm {STOCK}:192.0.2.9 {{service}}"),),
        own=True,
        service=SHOP,
    ),
    Puzzle(
        8,
        "easy",
        (),
        ("service",),
        _changed(STOCK, "--image swarmrig/stock:missing", "--image {image}"),
        "{service} was updated to an image that no node has and no registry knows.",
        "A task does not start. Ask for its error, unabridged.",
        _ASK_SERVICE,
        (("manager", "docker service update --no-resolve-image --image {image} {service}"),),
        own=True,
        service=STOCK,
    ),
    Puzzle(
        9,
        "hard",
        BOTH,
        ("control", "underlay"),
        _gossip,
        f"{{on}} neither takes nor sends the gossip of the swarm (port {GOSSIP_PORT}, TCP and "
        "UDP), by which the nodes tell each other names and addresses.",
        "All nodes are Ready, and a name is not known any more. Names are told from node to node, "
        "at a port of its own.",
        (
            ("on", "sudo journalctl -u docker -n 30 --no-pager"),
            ("on", f"sudo tcpdump -ni any -c 20 port {GOSSIP_PORT}"),
            *_FILTERS,
        ),
        _UNFILTER,
    ),
    Puzzle(
        10,
        "easy",
        SECOND,
        ("engine",),
        lambda scene: [library.broken_config(scene.on)],
        "/etc/docker/daemon.json on {on} has a comma too many: Docker's daemon does not start.",
        "A node is down. Its machine says why, in its log.",
        (("manager", "docker node ls"), *_ASK_DAEMON, ("on", "sudo cat /etc/docker/daemon.json")),
        (
            # GNU sed: the comma before the last brace goes, wherever the line ends are.
            (
                "on",
                r"sudo sed -i -z 's/,[[:space:]]*}[[:space:]]*$/\n}\n/' /etc/docker/daemon.json",
            ),
            ("on", "sudo systemctl reset-failed docker && sudo systemctl start docker"),
        ),
    ),
    Puzzle(
        11,
        "medium",
        (),
        ("overlay", "service"),
        _changed(
            STOCK,
            f"--network-rm {NETWORK} --network-add {OFFICE}",
            f"--network-rm {OFFICE} --network-add {NETWORK}",
        ),
        f"{{service}} is in the network {OFFICE}, and the shop in {NETWORK}.",
        "Both tasks run. Two that want to meet have to be in one network.",
        (("manager", "docker network inspect --verbose " + NETWORK), *_ASK_SERVICE),
        (
            (
                "manager",
                f"docker service update --network-rm {OFFICE} --network-add {NETWORK} {{service}}",
            ),
        ),
        own=True,
        service=STOCK,
    ),
    Puzzle(
        12,
        "hard",
        BOTH,
        ("overlay", "underlay"),
        lambda scene: [library.mute(scene.on, scene.other, port=f"{scene.vxlan}/udp")],
        "{on} does not let its own VXLAN packets (UDP port {vxlan}) to {other} out.",
        "All nodes are Ready, and the name is known. See how far a packet of the overlay network "
        "comes: does it leave one machine, does it arrive at the other, does an answer leave?",
        (("on", _DUMP), ("other", _DUMP), *_FILTERS),
        _UNFILTER,
    ),
    Puzzle(
        13,
        "easy",
        (),
        ("scheduling",),
        _changed(
            STOCK,
            "--constraint-add node.labels.row==7",
            "--constraint-rm node.labels.row==7",
        ),
        "{service} may run only on nodes with the label row=7, and no node has it.",
        "A task is pending. Ask what keeps it from every node.",
        (*_ASK_SERVICE, ("manager", "docker node inspect --pretty self")),
        (("manager", "docker service update --constraint-rm node.labels.row==7 {service}"),),
        own=True,
        service=STOCK,
    ),
    Puzzle(
        14,
        "medium",
        FIRST,
        ("control", "underlay"),
        lambda scene: [library.partition(scene.other, scene.on, port=_MANAGERS, one_way=True)],
        "{on} drops what {other} sends to the managers' port (TCP 2377): the worker's news do not "
        "reach its manager.",
        "A node is down, though its machine and its daemon run. See whether it reaches its "
        "manager, at the port at which managers listen.",
        (
            ("manager", "docker node ls"),
            ("other", "timeout 5 bash -c 'echo > /dev/tcp/{first}/2377'; echo $?"),
            ("other", "timeout 5 bash -c 'echo > /dev/tcp/{first}/22'; echo $?"),
            *_FILTERS,
        ),
        _UNFILTER,
        one_manager=True,
    ),
    Puzzle(
        15,
        "hard",
        SECOND,
        ("engine",),
        lambda scene: [library.freeze_daemon(scene.on)],
        "Docker's daemon on {on} stands still (SIGSTOP): it has its connections, and answers none.",
        "A node is down. Its machine says that all is well: look at what the daemon does, not at "
        "what is said of it.",
        (
            ("manager", "docker node ls"),
            ("on", "timeout 10 docker ps; echo $?"),
            ("on", "ps -o pid,stat,cmd -C dockerd"),
        ),
        (("on", "sudo kill -CONT $(pidof dockerd)"),),
    ),
    Puzzle(
        16,
        "hard",
        FIRST,
        ("names",),
        lambda scene: [library.name_server(scene.on, SHOP)],
        "The shop's task asks a name server that nobody runs, instead of Docker's (127.0.0.11).",
        "The stock answers at its address, and its name is not known in the shop. See whom the "
        "shop asks for names.",
        (
            ("on", f"docker exec $(docker ps -q -f name={SHOP}) nslookup {STOCK}"),
            ("on", f"docker exec $(docker ps -q -f name={SHOP}) cat /etc/resolv.conf"),
        ),
        (("manager", f"docker service update --force {SHOP}"),),
        own=True,
    ),
    Puzzle(
        17,
        "hard",
        BOTH,
        ("underlay",),
        lambda scene: [library.partition(scene.other, scene.on, one_way=True)],
        "{on} drops all that {other} sends to it, and what it sends itself arrives.",
        "See which of the two machines hears the other.",
        (
            ("other", "ping -c 3 {here}"),
            ("on", "sudo tcpdump -ni any -c 10 host {address}"),
            ("other", "sudo tcpdump -ni any -c 10 host {here}"),
            *_FILTERS,
        ),
        _UNFILTER,
    ),
    Puzzle(
        18,
        "hard",
        (),
        ("overlay", "service"),
        _both_local,
        f"Both services are in {LOCAL}, a network of the driver bridge: each machine has its own.",
        "Both tasks run, in one network of one name. See what kind of network it is.",
        (("manager", "docker network ls"), ("manager", f"docker network inspect {LOCAL}")),
        tuple(
            (
                "manager",
                f"docker service update --network-rm {LOCAL} --network-add {NETWORK} {service}",
            )
            for service in (STOCK, SHOP)
        ),
        own=True,
    ),
    Puzzle(
        19,
        "hard",
        SECOND,
        ("overlay",),
        lambda scene: [library.task_link(scene.on, STOCK, NETWORK)],
        f"The interface of the stock's task in {NETWORK} is down.",
        "The packets arrive at {on}, and the task does not answer. Look from inside of it.",
        (
            ("on", _DUMP),
            ("on", f"docker exec $(docker ps -q -f name={STOCK}) ip address"),
        ),
        (("manager", f"docker service update --force {STOCK}"),),
        own=True,
    ),
)
BY_NUMBER = {puzzle.number: puzzle for puzzle in PUZZLES}
