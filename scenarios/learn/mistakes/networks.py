"""Mistakes in creating and removing a network.

Source: https://docs.docker.com/reference/cli/docker/network/create/
"""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.mistakes.mistake import Case, Mistake, Rule, first, listed, near
from scenarios.learn.names import attached_to
from scenarios.learn.world import Network


def mistake(aim: aims.Network, case: Case) -> Mistake | None:
    """The likeliest mistake in creating the network that is wanted."""
    rules: tuple[Rule[aims.Network], ...] = (
        _another_driver,
        _another_subnet,
        _another_gateway,
        _on_a_worker,
        _another_name,
    )
    return first(rules, aim, case)


def _another_driver(aim: aims.Network, case: Case) -> Mistake | None:
    there = case.world.network(case.name(aim.name))
    if there is None or there.driver == aim.driver:
        return None
    return Mistake(
        "another driver",
        f"{there.name} is a {there.driver} network"
        + (f", which {case.where('machine1')} has alone" if there.scope == "local" else "")
        + f". With `-d {aim.driver}` it is one that all nodes of the swarm can use.",
        undo=f"docker network rm {there.name}",
    )


def _another_subnet(aim: aims.Network, case: Case) -> Mistake | None:
    there = case.world.network(case.name(aim.name))
    if there is None or aim.subnet in {"", *there.subnets}:
        return None
    seen = listed(there.subnets) or "no subnet"
    return Mistake(
        "another subnet",
        f"{there.name} has {seen}: the exercise gives it `--subnet {aim.subnet}`. Without "
        "--subnet the swarm chooses one of its own.",
        undo=f"docker network rm {there.name}",
    )


def _another_gateway(aim: aims.Network, case: Case) -> Mistake | None:
    there = case.world.network(case.name(aim.name))
    if there is None or aim.gateway in {"", *there.gateways}:
        return None
    return Mistake(
        "another gateway",
        f"{there.name} has the gateway {listed(there.gateways) or 'none'}: the exercise gives it "
        f"`--gateway {aim.gateway}`.",
        undo=f"docker network rm {there.name}",
    )


def _on_a_worker(aim: aims.Network, case: Case) -> Mistake | None:
    for place, engine in case.world.engines.items():
        own = [n for n in engine.networks if n.name == aim.name and n.scope == "local"]
        if own and place != "machine1":
            return Mistake(
                "created on a worker",
                f"{aim.name} was created on {engine.machine}, where it is a local network: "
                f"networks of the swarm are created on a manager, {case.where('machine1')}.",
                undo=f"docker network rm {aim.name}",
                on=place,
            )
    return None


def _another_name(aim: aims.Network, case: Case) -> Mistake | None:
    if case.world.network(case.name(aim.name)):
        return None
    own = {one.name: one for one in case.world.manager.networks if _made(one)}
    if not (name := near(aim.name, own)):
        return None
    there = own[name]
    return Mistake(
        "another name",
        f"There is a network {name} ({there.driver}, {listed(there.subnets) or 'no subnet'}). Its "
        f"name alone would not matter; the exercise's {aim.name} is of driver {aim.driver}"
        + (f" with the subnet {aim.subnet}." if aim.subnet else "."),
        undo=f"docker network rm {name}",
    )


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
