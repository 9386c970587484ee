"""Removes what a scenario created, and lists what is left of it.

By the names that it declares; where others may have things of the same names, by their ids as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

import docker.errors
import requests

from provision.machine.machine import Machine
from provision.plugins import facts, install
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.support.wait import wait_until
from scenarios.kit.driver import Use
from scenarios.kit.scenario import Scenario

Ids = Collection[str] | None  # None: whatever has one of the scenario's names


def leftovers(scenario: Scenario, machines: list[Machine], ids: Ids = None) -> list[str]:
    """Services, containers and networks of the scenario, in words; empty when nothing is left."""
    left = [f"service {service.name}" for service in _services(scenario, machines[0], ids)]
    per_machine = run_on_all("looking for leftovers", machines, lambda m: _on(scenario, m, ids))
    return left + [item for items in per_machine.values() for item in items]


def others(scenario: Scenario, machines: list[Machine], ids: Collection[str]) -> list[str]:
    """Services, networks and containers of the scenario's names that are none of these, in words.

    The first machine is a manager.
    """

    def on(machine: Machine) -> list[str]:
        networks = _networks(scenario, machine, None)
        containers = _containers(scenario, machine, None)
        return [f"network {one.name}" for one in networks if one.id not in ids] + [
            f"container {one.name} on {machine.name}" for one in containers if one.id not in ids
        ]

    services = _services(scenario, machines[0], None)
    found = {f"service {one.name}" for one in services if one.id not in ids}
    for items in run_on_all("looking for things of these names", machines, on).values():
        found |= set(items)
    return sorted(found)


def _services(scenario: Scenario, manager: Machine, ids: Ids) -> list[Any]:
    found = [one for one in manager.docker.services.list() if one.name in scenario.services]
    return [one for one in found if ids is None or one.id in ids]


def _networks(scenario: Scenario, machine: Machine, ids: Ids) -> list[Any]:
    found = [one for one in machine.docker.networks.list() if one.name in scenario.networks]
    return [one for one in found if ids is None or one.id in ids]


def _containers(scenario: Scenario, machine: Machine, ids: Ids) -> list[Any]:
    """Containers that the scenario runs itself; those of tasks belong to a service."""
    if not scenario.containers:
        return []
    found = machine.docker.containers.list(all=True, ignore_removed=True)
    named = [one for one in found if one.name in scenario.containers]
    return [one for one in named if ids is None or one.id in ids]


def _on(scenario: Scenario, machine: Machine, ids: Ids) -> list[str]:
    containers = [
        f"container {one.name} on {machine.name}" for one in _containers(scenario, machine, ids)
    ]
    containers += [
        f"container {container.name} on {machine.name}"
        for service in scenario.services
        for container in machine.docker.containers.list(
            all=True,
            filters={"label": f"com.docker.swarm.service.name={service}"},
            ignore_removed=True,
        )
        if ids is None or container.labels.get("com.docker.swarm.service.id") in ids
    ]
    networks = [
        f"network {network.name} on {machine.name}" for network in _networks(scenario, machine, ids)
    ]
    return containers + networks


def clean(
    scenario: Scenario, machines: list[Machine], ids: Ids = None, patience: float = 60
) -> None:
    """Remove what the scenario has created, and wait until no node has any of it.

    After `patience` seconds it gives up without an error: `leftovers` lists what is left.
    """
    manager = machines[0]
    for service in _services(scenario, manager, ids):
        service.remove()

    def remove_containers(machine: Machine) -> None:
        for one in _containers(scenario, machine, ids):
            with contextlib.suppress(docker.errors.NotFound):
                one.remove(force=True)

    run_on_all("removing containers", machines, remove_containers)

    def gone() -> bool:
        # A network can go only when the last task on it has: its removal is tried until then.
        for machine in machines:
            for network in _networks(scenario, machine, ids):
                # Of a swarm's network a worker has a copy, which goes with the manager's.
                if machine is manager or network.attrs.get("Scope") == "local":
                    with contextlib.suppress(docker.errors.APIError):
                        machine.docker.api.remove_network(str(network.id))
        return not leftovers(scenario, machines, ids)

    wait_until(gone, bool, patience)


def plugin_leftovers(use: Use) -> list[str]:
    """The plugin and what it left behind, on each machine, in words."""

    def on(machine: Machine) -> list[str]:
        there = facts.installed(machine, use.reference)
        left = [f"plugin {use.reference} on {machine.name}"] if there else []
        behind = use.driver.left(machine) if use.driver.left else []
        return left + [f"{what} on {machine.name}" for what in behind]

    found = run_on_all("looking for the plugin", use.machines, on)
    return [item for items in found.values() for item in items]


def remove_plugin(use: Use) -> dict[str, install.Done]:
    """Disable and remove the plugin on every node at once, and undo what it created there.

    Its networks have to be removed before. Raises MachinesError with each engine's own words.
    """
    return run_on_all(
        "removing the plugin",
        use.machines,
        lambda machine: install.remove(machine, use.reference),
    )


def clean_plugin(use: Use) -> None:
    """As `remove_plugin`, without raising: `plugin_leftovers` lists what is left."""
    with contextlib.suppress(
        MachineError, docker.errors.DockerException, requests.RequestException
    ):
        remove_plugin(use)


def release_plugin(use: Use) -> list[str]:
    """As `clean_plugin`; what is left of it, in words. Gone, it is not this lab's any more."""
    clean_plugin(use)
    left = plugin_leftovers(use)
    if not left:
        use.release()
    return left
