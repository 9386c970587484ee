"""The topology of a lab as it is now, for the report's picture of hosts, networks and tasks.

    look = exercise.look()
    made = topology.made_by(exercise, look)
    shown = topology.now(look.world, exercise.record.topology.hosts, exercise.plugin, made)
    mark = topology.fingerprint(shown)        # another one: draw again
    html = pages.picture(shown)               # scenarios.report.pages: a <figure>, safe to embed
    live.networks = topology.names(look.world, exercise.plugin)   # scenarios.evidence.live

It asks nothing: all of it is in a look's `world`. Shown are the networks that people created in
this swarm (not `ingress`), and the running tasks of this swarm's services: one entry for each of
its networks, or one without a network for a task that has none of these. Of what a machine has for
itself, those networks and containers are shown that are the exercise's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from scenarios.checks.network import vni_of
from scenarios.kit.driver import Use
from scenarios.learn.look import Exercise, Look
from scenarios.learn.world import Container, Engine, Network, World
from scenarios.record import model


def made_by(exercise: Exercise, look: Look) -> set[str]:
    """The names that the exercise's networks and containers have on this lab."""
    scenario = exercise.scenario
    return {look.called.get(name, name) for name in (*scenario.networks, *scenario.containers)}


def now(
    world: World,
    hosts: Sequence[model.Host],
    plugin: Use | None = None,
    made: Collection[str] = (),
) -> model.Topology:
    """The topology as the world has it; `hosts` are the lab's, with what does not change of them.

    A host's role is that of its node now, with its availability and state where these are not as
    usual. `plugin` knows the VNIs of its own networks. `made` names what is shown of networks and
    containers that machines have for themselves; of two networks of one name the first one is.
    """
    engines = {engine.machine: engine for engine in world.engines.values()}
    own = [one for engine in world.engines.values() for one in engine.networks]
    own = [one for one in own if one.scope == "local" and one.name in made]
    shown = {one.name: one for one in [*reversed(own), *filter(_is_shown, world.manager.networks)]}
    networks = [network for _, network in sorted(shown.items())]
    called = {network.id: network.name for network in networks}
    return model.Topology(
        hosts=[_host(host, engines.get(host.name), world) for host in hosts],
        networks=[_network(network, plugin) for network in networks],
        tasks=[
            task
            for host in hosts
            if (engine := engines.get(host.name))
            for task in (*_tasks(engine, world, called), *_containers(engine, called, made))
        ],
    )


def fingerprint(topology: model.Topology) -> str:
    """Another one for another topology, the same for the same, also in another process."""
    return hashlib.sha256(topology.model_dump_json().encode()).hexdigest()[:16]


def names(world: World, plugin: Use | None = None) -> dict[int, str]:
    """The names of this swarm's networks by their VNIs; `ingress` is among them."""
    return {
        vni: network.name
        for network in world.manager.networks
        if network.scope == "swarm" and (vni := _vni(network, plugin)) is not None
    }


def _is_shown(network: Network) -> bool:
    return network.scope == "swarm" and not network.ingress


def _host(host: model.Host, engine: Engine | None, world: World) -> model.Host:
    if engine is None:
        return host
    node = next((one for one in world.nodes if one.id == engine.node), None)
    role = host.role
    if not engine.node:
        role = "in no swarm"
    elif node:
        unusual = [node.availability if node.availability != "active" else ""]
        unusual += [node.state if node.state != "ready" else ""]
        role = ", ".join([node.role, *filter(None, unusual)])
    return host.model_copy(update={"role": role, "engine": engine.version or host.engine})


def _network(network: Network, plugin: Use | None) -> model.Network:
    return model.Network(
        name=network.name,
        id=network.id,
        driver=network.driver,
        scope=network.scope,
        subnet=next(iter(network.subnets), ""),
        gateway=next(iter(network.gateways), ""),
        vni=_vni(network, plugin),
    )


def _vni(network: Network, plugin: Use | None) -> int | None:
    inspected: dict[str, Any] = {"Id": network.id, "Options": network.options}
    if plugin and network.driver == plugin.reference:
        return plugin.driver.vni(inspected) if plugin.driver.vni else None
    return vni_of(inspected)


def _tasks(engine: Engine, world: World, called: dict[str, str]) -> Iterator[model.Task]:
    running = [
        one for one in engine.containers if one.state == "running" and world.service(one.service)
    ]
    for container in sorted(running, key=lambda one: (one.service, one.name)):
        yield from _attached(container, engine.machine, called)


def _containers(
    engine: Engine, called: dict[str, str], made: Collection[str]
) -> Iterator[model.Task]:
    """The exercise's containers, which are no service's, with all their networks."""
    named = {network.id: network.name for network in engine.networks} | called
    for container in sorted(engine.containers, key=lambda one: one.name):
        if container.name in made and container.state == "running" and not container.service:
            one = container.model_copy(update={"service": container.name})
            yield from _attached(one, engine.machine, named)


def _attached(container: Container, machine: str, called: dict[str, str]) -> Iterator[model.Task]:
    mine = {called[id_]: at for id_, at in container.addresses.items() if id_ in called}
    for network, address in sorted(mine.items()) or [("", "")]:
        yield model.Task(
            service=container.service,
            container=container.name,
            machine=machine,
            network=network,
            address=address,
        )
