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
    networks = {aim.name: aim for aim in wanted if isinstance(aim, aims.Network)}
    services = {aim.name: aim for aim in wanted if isinstance(aim, aims.Service)}
    called: dict[str, str] = {}
    for name, network in networks.items():
        if world.network(name) is None:
            taken = _network(network, world, known.get(name, ""), networks)
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


def _network(
    wanted: aims.Network, world: World, known: str, others: dict[str, aims.Network]
) -> str:
    """The one swarm network with the driver and subnet that are wanted; the one known before."""
    if known and world.network(known):
        return known
    fitting = [
        one.name
        for one in world.manager.networks
        if _is_own(one) and one.name not in others and fits(one, wanted)
    ]
    return fitting[0] if len(fitting) == 1 else known


def _is_own(network: Network) -> bool:
    return network.scope == "swarm" and not network.ingress


def fits(network: Network, wanted: aims.Network) -> bool:
    """Whether a network is what is wanted, but for its name."""
    return network.driver == wanted.driver and wanted.subnet in {"", *network.subnets}


def _service(
    wanted: aims.Service, world: World, known: str, called: dict[str, str], used: set[str]
) -> str:
    """The one service on the exercise's network whose task is where this one's belongs."""
    if known and world.service(known):
        return known
    ids = attached_to(world, [called.get(name, name) for name in wanted.networks])
    fitting = [
        one.name
        for one in world.services
        if one.name not in used
        and ids.intersection(one.networks)
        and (not wanted.node or wanted.node in nodes_of(one))
    ]
    return fitting[0] if len(fitting) == 1 else known


def attached_to(world: World, names: Iterable[str]) -> set[str]:
    """The ids and names by which services may be attached to these networks."""
    ids = {network.id for name in names if (network := world.network(name))}
    return ids | set(names)


def nodes_of(service: Service) -> set[str]:
    """The nodes on which its tasks run."""
    return {task.node for task in service.running()}
