"""The topology of a lab as it is now, for the report's picture of hosts, networks and tasks.

    look = exercise.look()
    shown = topology.now(look.world, exercise.record.topology.hosts, exercise.plugin)
    mark = topology.fingerprint(shown)        # another one: draw again
    html = pages.picture(shown)               # scenarios.report.pages: a <figure>, safe to embed
    live.networks = topology.names(look.world, exercise.plugin)   # scenarios.evidence.live

It asks nothing: all of it is in a look's `world`. Shown are the networks that people created in
this swarm (not `ingress`, and none that a machine has for itself), and the running tasks of this
swarm's services: one entry for each of its networks, or one without a network for a task that has
none of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from scenarios.checks.network import vni_of
from scenarios.kit.driver import Use
from scenarios.learn.world import Container, Engine, Network, World
from scenarios.record import model


def now(world: World, hosts: Sequence[model.Host], plugin: Use | None = None) -> model.Topology:
    """The topology as the world has it; `hosts` are the lab's, with what does not change of them.

    A host's role is that of its node now, with its availability and state where these are not as
    usual. `plugin` knows the VNIs of its own networks.
    """
    engines = {engine.machine: engine for engine in world.engines.values()}
    networks = sorted(filter(_is_shown, world.manager.networks), key=lambda one: one.name)
    called = {network.id: network.name for network in networks}
    return model.Topology(
        hosts=[_host(host, engines.get(host.name), world) for host in hosts],
        networks=[_network(network, plugin) for network in networks],
        tasks=[
            task
            for host in hosts
            if (engine := engines.get(host.name))
            for task in _tasks(engine, world, called)
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
