"""Names are not magic: what the learner has called a network or a service, by the exercise's name.

A thing of another name is taken for the exercise's where it can be nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from scenarios.learn import aims
from scenarios.learn.aims import Aim
from scenarios.learn.world import Network, Service, World


def found(wanted: Iterable[Aim], world: World, known: dict[str, str]) -> dict[str, str]:
    """The learner's names by the exercise's, where they differ. `known` has those found before."""
    wanted = list(wanted)
    networks = [aim for aim in wanted if isinstance(aim, aims.Network)]
    names = {aim.name for aim in networks}
    services = {aim.name: aim for aim in wanted if isinstance(aim, aims.Service)}
    called: dict[str, str] = {}
    for network in networks:
        name = network.name
        there = [one for one in networks if one.name == name and _at(one, world, name)]
        if not there and name not in called:
            taken = _network(network, world, known.get(name, ""), names)
            called |= {name: taken} if taken else {}
    for name, service in services.items():
        if world.service(name) is None:
            used = {*services, *called.values()}
            taken = _service(service, world, known.get(name, ""), called, used)
            called |= {name: taken} if taken else {}
    return called


def renamed(text: str, called: dict[str, str]) -> str:
    """A command or a sentence with the learner's names in place of the exercise's."""
    if not called:
        return text
    words = "|".join(re.escape(name) for name in sorted(called, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])({words})(?![\w.-])", lambda hit: called[hit[1]], text)


def told(called: dict[str, str]) -> list[str]:
    """The names that differ, in sentences."""
    return [
        f"You have called it {own}, where the exercise says {name}: that is fine, the checks "
        "follow your name."
        for name, own in called.items()
    ]


def _at(wanted: aims.Network, world: World, name: str) -> Network | None:
    """The network of a name where the one that is wanted belongs."""
    return world.network(name, wanted.place if wanted.local else "")


def _network(wanted: aims.Network, world: World, known: str, others: set[str]) -> str:
    """The one network with the driver and subnet that are wanted; the one known before."""
    if known and _at(wanted, world, known):
        return known
    engine = world.engines[wanted.place] if wanted.local else world.manager
    fitting = [
        one.name
        for one in engine.networks
        if _is_own(one, wanted) and one.name not in others and fits(one, wanted)
    ]
    return fitting[0] if len(fitting) == 1 else known


def _is_own(network: Network, wanted: aims.Network) -> bool:
    """One that somebody has created; of those of one machine, any that has its own subnet."""
    if wanted.local:
        return network.scope == "local" and bool(wanted.subnet)
    return network.scope == "swarm" and not network.ingress


def fits(network: Network, wanted: aims.Network) -> bool:
    """Whether a network is what is wanted, but for its name."""
    return network.driver == wanted.driver and wanted.subnet in {"", *network.subnets}


def _service(
    wanted: aims.Service, world: World, known: str, called: dict[str, str], used: set[str]
) -> str:
    """The one service on the exercise's network whose task is where this one's belongs.

    Where it is to be on none, the one on none with the image and the number of tasks that it has.
    """
    if known and world.service(known):
        return known
    ids = attached_to(world, [called.get(name, name) for name in wanted.networks])
    fitting = [
        one.name
        for one in world.services
        if one.name not in used
        and (ids.intersection(one.networks) if ids else _alike(one, wanted))
        and (not wanted.node or wanted.node in nodes_of(one))
    ]
    return fitting[0] if len(fitting) == 1 else known


def _alike(one: Service, wanted: aims.Service) -> bool:
    """Whether a service on no network has the image and the number of tasks that are wanted."""
    image = one.image.partition("@")[0]
    return not one.networks and (image, one.replicas) == (wanted.image, wanted.replicas)


def attached_to(world: World, names: Iterable[str]) -> set[str]:
    """The ids and names by which services may be attached to these networks."""
    ids = {network.id for name in names if (network := world.network(name))}
    return ids | set(names)


def nodes_of(service: Service) -> set[str]:
    """The nodes on which its tasks run."""
    return {task.node for task in service.running()}
