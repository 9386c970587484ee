"""Mistakes about the swarm's nodes, and about plugins on them.

Source: https://docs.docker.com/engine/swarm/manage-nodes/
"""

from __future__ import annotations

from scenarios.learn import aims
from scenarios.learn.mistakes.mistake import Case, Mistake


def membership(case: Case) -> Mistake | None:
    """A machine that is not in the first manager's swarm, or that does not answer there."""
    states = {node.id: node for node in case.world.nodes}
    for place, engine in case.world.engines.items():
        if engine.swarm == "inactive":
            return Mistake(
                "in no swarm",
                f"{engine.machine} is in no swarm. `inv up` lets it join again; by hand: `docker "
                f"swarm join-token worker` on {case.where('machine1')} prints the command.",
            )
        if states and engine.node not in states:
            return Mistake(
                "in another swarm",
                f"{engine.machine} is in a swarm of its own (`docker swarm init` makes one), not "
                f"in that of {case.where('machine1')}.",
                undo="docker swarm leave --force",
                on=place,
            )
        if engine.node in states and states[engine.node].state != "ready":
            return Mistake(
                "a node is down",
                f"The swarm does not hear from {engine.machine}: it is "
                f"{states[engine.node].state}. See `inv status`.",
            )
    return None


def availability(aim: aims.Availability, case: Case) -> Mistake | None:
    """Another node than the one that is meant."""
    if aim.availability == "active":
        return None
    others = [
        node
        for node in case.world.nodes
        if node.availability == aim.availability and node.id != aim.node
    ]
    if not others:
        return None
    return Mistake(
        "another node",
        f"{case.world.machine_of(others[0].id)} is {_done(aim.availability)}: in the exercise it "
        f"is {case.world.machine_of(aim.node)}.",
        undo=f"docker node update --availability active {others[0].id}",
    )


def _done(availability: str) -> str:
    return {"drain": "drained", "pause": "paused"}.get(availability, availability)


def roles(aim: aims.Roles, case: Case) -> Mistake | None:
    """Some of the nodes have the role by now, and not all."""
    by_id = {node.id: node for node in case.world.nodes}
    wanted = [node for node in aim.nodes if node in by_id]
    missing = [node for node in wanted if by_id[node].role != aim.role]
    if not missing or len(missing) == len(wanted):
        return None
    names = ", ".join(case.world.machine_of(node) for node in missing)
    return Mistake("a node is left", f"{names} is not yet a {aim.role}.")


def plugin(aim: aims.Plugin, case: Case) -> Mistake | None:
    """A plugin that is disabled, or installed on some of the nodes only; or not yet removed."""
    there = {
        place: engine.plugins.get(aim.reference) for place, engine in case.world.engines.items()
    }
    if not aim.there:
        left = [case.where(place) for place, enabled in there.items() if enabled is not None]
        if left and len(left) < len(there):
            return Mistake("a plugin is left", f"{', '.join(left)} still has {aim.reference}.")
        return None
    for place in aim.places:
        if there.get(place) is False:
            return Mistake(
                "the plugin is disabled",
                f"{aim.reference} is installed on {case.where(place)}, and disabled.",
                undo=f"docker plugin enable {aim.reference}",
                on=place,
            )
    others = [case.where(p) for p, enabled in there.items() if enabled and p not in aim.places]
    missing = [case.where(p) for p in aim.places if there.get(p) is None]
    if others and missing:
        return Mistake(
            "the plugin is on some nodes only",
            f"{', '.join(missing)} does not have {aim.reference}: {others[0]} has. Every node "
            "needs it.",
        )
    return None
