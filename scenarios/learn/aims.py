"""What a step's command is to bring about, read from the command itself.

Only what the exercises use of the docker command line is understood; a command that changes nothing
has no aim. Source: https://docs.docker.com/reference/cli/docker/
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from scenarios.kit.scenario import StepPlan
from scenarios.kit.setup import fill, unknown


@dataclass(frozen=True)
class Network:
    """A network that is to be there; one of these drivers is the machine's at its place alone."""

    name: str
    driver: str
    subnet: str = ""
    gateway: str = ""
    place: str = "machine1"
    attachable: bool = False

    @property
    def local(self) -> bool:
        return self.driver in {"bridge", "macvlan", "ipvlan"}


@dataclass(frozen=True)
class Service:
    """A service that is to run: `node` is the id of the node that its task belongs on, or ""."""

    name: str
    networks: tuple[str, ...]
    replicas: int
    image: str
    node: str = ""
    endpoint: str = "vip"


@dataclass(frozen=True)
class Container:
    """A container that is to run on the machine of a place, outside of the swarm's services."""

    name: str
    network: str
    image: str
    place: str


@dataclass(frozen=True)
class Removal:
    """Services, networks and containers that are to be gone; the last two from these places."""

    services: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A service that is to have so many tasks."""

    service: str
    replicas: int


@dataclass(frozen=True)
class Availability:
    """A node that is to take tasks, or not."""

    node: str
    availability: str


@dataclass(frozen=True)
class Roles:
    """Nodes that are to be managers, or workers."""

    nodes: tuple[str, ...]
    role: str


@dataclass(frozen=True)
class Plugin:
    """A plugin that is to be installed and enabled on the machines of these places, or gone."""

    reference: str
    places: tuple[str, ...]
    there: bool


Aim = Network | Service | Container | Removal | Scale | Availability | Roles | Plugin


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def aim_of(plan: StepPlan, names: dict[str, str]) -> Aim | None:
    """What the step's command is to bring about; None for one that only looks, or acts otherwise.

    `names` fill in the command, as they do when it is run; before all of them are known, what it
    is to bring about is not either.
    """
    if plan.do and "plugin" in names:
        return Plugin(names.get("plugin", ""), plan.on, there=not plan.undoes)
    if not plan.run or unknown(plan.run, names):
        return None
    words = shlex.split(fill(plan.run, names))
    if words[:2] == ["docker", "run"]:
        return _container(words[2:], plan.on[0])
    if words[:3] == ["docker", "network", "create"]:
        return _network(words[3:], plan.on[0])
    if words[:3] == ["docker", "rm", "-f"]:
        return Removal(containers=tuple(words[3:]), places=plan.on)
    if words[:3] == ["docker", "network", "rm"]:
        return Removal(networks=tuple(words[3:]), places=plan.on)
    for verb, read in _READERS.items():
        size = len(verb.split())
        if " ".join(words[:size]) == verb:
            return read(words[size:])
    return None


_SWITCHES = ("-t", "--no-resolve-image", "--attachable", "--ipv6")


def _options(
    arguments: list[str], *known: str, switches: tuple[str, ...] = ()
) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the words after them: of those some may look like options as well."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for option in known:
        parser.add_argument(*option.split("/"), action="append", default=[])
    for switch in (*_SWITCHES, *switches):
        parser.add_argument(switch, action="store_true")
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        alone = arguments[at] in (*_SWITCHES, *switches) or "=" in arguments[at]
        at += 1 if alone else 2
    return parser.parse_args(arguments[:at]), arguments[at:]


def _last(values: list[str], otherwise: str = "") -> str:
    return values[-1] if values else otherwise


def _network(arguments: list[str], place: str) -> Network:
    given, rest = _options(arguments, "--driver/-d", "--subnet", "--gateway", "--opt/-o")
    return Network(
        rest[0],
        _last(given.driver, "bridge"),
        _last(given.subnet),
        _last(given.gateway),
        place,
        given.attachable,
    )


def _service(arguments: list[str]) -> Service:
    given, rest = _options(
        arguments,
        "--name",
        "--network",
        "--replicas",
        "--constraint",
        "--endpoint-mode",
        "--stop-grace-period",
        "--publish",
        "--update-monitor",
    )
    placed = [m[1] for text in given.constraint if (m := re.fullmatch(r"node\.id==(.+)", text))]
    return Service(
        name=_last(given.name),
        networks=tuple(given.network),
        replicas=int(_last(given.replicas, "1")),
        image=rest[0],
        node=_last(placed),
        endpoint=_last(given.endpoint_mode, "vip"),
    )


def _container(arguments: list[str], place: str) -> Container:
    given, rest = _options(arguments, "--name", "--network", "--ip", switches=("-d",))
    return Container(_last(given.name), _last(given.network, "bridge"), rest[0], place)


def _scale(arguments: list[str]) -> Scale:
    service, _, replicas = arguments[0].partition("=")
    return Scale(service, int(replicas))


def _node_update(arguments: list[str]) -> Availability:
    given, rest = _options(arguments, "--availability")
    return Availability(rest[0], _last(given.availability))


_READERS: dict[str, Callable[[list[str]], Aim]] = {
    "docker service create": _service,
    "docker service rm": lambda words: Removal(services=tuple(words)),
    "docker service scale": _scale,
    "docker node update": _node_update,
    "docker node promote": lambda words: Roles(tuple(words), "manager"),
    "docker node demote": lambda words: Roles(tuple(words), "worker"),
}
