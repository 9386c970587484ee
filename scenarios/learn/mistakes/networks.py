"""Mistakes in creating and removing a network.

Source: https://docs.docker.com/reference/cli/docker/network/create/
"""

from __future__ import annotations

from collections.abc import Callable

from scenarios.learn import aims
from scenarios.learn.mistakes.mistake import Case, Mistake, Rule, first, listed, near
from scenarios.learn.names import attached_to, fits
from scenarios.learn.world import Network


def mistake(aim: aims.Network, case: Case) -> Mistake | None:
    """The likeliest mistake in creating the network that is wanted."""
    there = case.network(aim)
    missing: tuple[Rule[aims.Network], ...] = (_on_another_machine, _another_name)
    wrong: tuple[Callable[[aims.Network, Network, Case], Mistake | None], ...] = (
        _another_driver,
        _another_subnet,
        _another_gateway,
        _not_attachable,
    )
    if there is None:
        return first(missing, aim, case)
    return next((found for rule in wrong if (found := rule(aim, there, case))), None)


def _again(aim: aims.Network, name: str, says: str, there: Network) -> Mistake:
    """A mistake that is taken back by removing the network where it is."""
    undo = f"docker network rm {there.name}"
    return Mistake(name, says, undo, aim.place if aim.local else "machine1")


def _another_driver(aim: aims.Network, there: Network, case: Case) -> Mistake | None:
    if there.driver == aim.driver:
        return None
    says = f"The driver of {there.name} is {there.driver}"
    if aim.local:
        says += f": the exercise gives it `-d {aim.driver}`."
    elif there.scope == "local":
        says += (
            f", so {case.where('machine1')} has it alone. With `-d {aim.driver}` it is one that "
            "all nodes of the swarm can use."
        )
    else:
        says += f". With `-d {aim.driver}` it is one that all nodes of the swarm can use."
    return _again(aim, "another driver", says, there)


def _another_subnet(aim: aims.Network, there: Network, _: Case) -> Mistake | None:
    if aim.subnet in {"", *there.subnets}:
        return None
    says = (
        f"{there.name} has {listed(there.subnets) or 'no subnet'}: the exercise gives it `--subnet "
        f"{aim.subnet}`. Without --subnet {'the engine' if aim.local else 'the swarm'} chooses one "
        "of its own."
    )
    return _again(aim, "another subnet", says, there)


def _another_gateway(aim: aims.Network, there: Network, _: Case) -> Mistake | None:
    if aim.gateway in {"", *there.gateways}:
        return None
    says = (
        f"{there.name} has the gateway {listed(there.gateways) or 'none'}: the exercise gives it "
        f"`--gateway {aim.gateway}`."
    )
    return _again(aim, "another gateway", says, there)


def _not_attachable(aim: aims.Network, there: Network, _: Case) -> Mistake | None:
    if there.attachable or not aim.attachable:
        return None
    return _again(aim, NOT_ATTACHABLE, not_attachable(there.name), there)


NOT_ATTACHABLE = "not attachable"


def not_attachable(name: str) -> str:
    """Why no container joins an overlay network."""
    return (
        f"{name} was created without `--attachable`: tasks of services may join it, and no "
        "containers of `docker run`."
    )


def _on_another_machine(aim: aims.Network, case: Case) -> Mistake | None:
    places = {one.place for one in _aims(case) if one.local and one.name == aim.name}
    for place, engine in case.world.engines.items():
        own = [n for n in engine.networks if n.name == aim.name and n.scope == "local"]
        if not own or place in {*places, aim.place}:
            continue
        undo = f"docker network rm {aim.name}"
        if aim.local:
            says = (
                f"{aim.name} was created on {engine.machine}, which has it alone: the exercise "
                f"creates it on {case.where(aim.place)}."
            )
            return Mistake("created on another machine", says, undo, place)
        says = (
            f"{aim.name} was created on {engine.machine}, where it is a local network: networks of "
            f"the swarm are created on a manager, {case.where('machine1')}."
        )
        return Mistake("created on a worker", says, undo, place)
    return None


def _another_name(aim: aims.Network, case: Case) -> Mistake | None:
    engine = case.world.engines[aim.place] if aim.local else case.world.manager
    others = {case.name(one.name) for one in _aims(case)}
    own = {one.name: one for one in engine.networks if _made(one) and one.name not in others}
    # One of another machine has the exercise's name: then so has to have this one.
    same = [one.name for one in own.values() if aim.local and fits(one, aim)]
    if not (name := near(aim.name, own) or (same[0] if len(same) == 1 else "")):
        return None
    there = own[name]
    says = f"There is a network {name} ({there.driver}, {listed(there.subnets) or 'no subnet'}) on "
    says += f"{engine.machine}. "
    if fits(there, aim):
        says += f"The exercise has the name {aim.name} on every machine."
    else:
        says += f"Its name alone would not matter; the exercise's {aim.name} is of driver "
        says += aim.driver + (f" with the subnet {aim.subnet}." if aim.subnet else ".")
    return _again(aim, "another name", says, there)


def _aims(case: Case) -> list[aims.Network]:
    return [one for one in case.aims if isinstance(one, aims.Network)]


def _made(network: Network) -> bool:
    """Whether somebody has created the network, and not the engine itself."""
    return not network.ingress and network.name not in {"bridge", "host", "none", "docker_gwbridge"}


def still_there(aim: aims.Removal, case: Case) -> Mistake | None:
    """Why the networks that are to be gone are not."""
    for name in map(case.name, aim.networks):
        there = case.world.network(name)
        users = [
            one.name
            for one in case.world.services
            if there and attached_to(case.world, [name]).intersection(one.networks)
        ]
        if users:
            return Mistake(
                "network in use",
                f"{name} cannot be removed: {listed(users)} still use"
                f"{'s' if len(users) == 1 else ''} it.",
                undo=f"docker service rm {' '.join(users)}",
            )
    return None
