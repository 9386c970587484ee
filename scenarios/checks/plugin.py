"""Judgements about a network driver plugin: asked for, installed, enabled, its mesh, gone."""

from __future__ import annotations

from collections.abc import Callable
from operator import not_
from typing import Any

from provision.machine.machine import Machine
from provision.plugins import facts, privileges
from provision.plugins.install import ensure, without_secrets
from provision.support.errors import MachineError, MachinesError
from provision.support.wait import wait_until
from scenarios.kit import cleanup
from scenarios.kit.driver import Mesh, Use
from scenarios.kit.step import Step

_ABSENT = "it is not installed"
MESH_PROVES = "The plugins of all nodes have found each other: there is a mesh to carry packets."


def install(step: Step) -> None:
    """The plugin on every node at once; this step's machines show what ran on them.

    Idempotent: nothing is done where it is installed, enabled and set. `expect_enabled` judges.
    """
    use = step.plugin
    step.context.tell(privileges.as_shown(use.reference, use.asked))
    step.keep("privileges asked for", [str(one) for one in use.asked])
    try:
        ensure(use.machines, use.want, use.done, use.brought)
    except MachinesError:
        # What ran until then is what the reader needs most.
        for done in use.done.values():
            for result in done.commands:
                step.add(result)
        raise


def expect_enabled(step: Step, machines: list[Machine]) -> None:
    """What ran on these machines, and that each has the plugin, enabled, as its engine says."""
    use = step.plugin
    for machine in machines:
        done = use.done.get(machine.name)
        for result in done.commands if done else []:
            step.add(result)
        for note in done.notes if done else []:
            step.context.tell(f"  {note}")
        step.run("docker plugin ls", on=machine)
        there = facts.installed(machine, use.reference)
        step.expect(
            "the plugin is installed and enabled",
            expected=[use.reference, True],
            seen=[there.reference, there.enabled] if there else _ABSENT,
            machine=machine,
        )
        if there is None:
            continue
        step.expect(
            "it has no privilege beyond those listed by the exercise and granted by name",
            expected=[],
            seen=[
                str(one)
                for one in privileges.beyond(
                    privileges.asked_in(there.config), use.want.allowed, frozenset()
                )
            ],
            machine=machine,
        )
        step.expect(
            f"it is {use.driver.name}, by its socket",
            expected=use.driver.socket,
            seen=there.socket,
            machine=machine,
        )
        kept = without_secrets(machine.docker.api.inspect_plugin(use.reference))
        step.keep("plugin", kept, machine)


def _patience(step: Step, seconds: float) -> float:
    """How long to wait for what the plugins of all nodes bring about: not where one has none."""
    lacks = any(one.seen == _ABSENT for one in step.data.expectations)
    return 0 if lacks else step.context.patience(seconds)


def expect_known(step: Step, patience: float = 45) -> None:
    """The swarm's manager knows of the plugin on every node: until then no task is placed there.

    An agent reports to its manager within 20 seconds what has changed on its node.
    """
    use, manager = step.plugin, step.context.manager
    step.expect(
        "the swarm knows of the plugin on every node",
        expected=[],
        seen=wait_until(lambda: unknown_on(use, manager), not_, _patience(step, patience)),
    )


def unknown_on(use: Use, manager: Machine) -> list[str]:
    """The machines of whose plugin the swarm's manager does not know yet."""
    # By the nodes' ids: hostnames need not be unique.
    names = {machine.docker.info()["Swarm"]["NodeID"]: machine.name for machine in use.machines}
    known = {
        node.attrs["ID"]
        for node in manager.docker.nodes.list()
        if use.reference in _plugins_of(node.attrs)
    }
    return sorted(name for node, name in names.items() if node not in known)


def _plugins_of(node: dict[str, Any]) -> set[str]:
    engine = node["Description"].get("Engine") or {}
    return {plugin["Name"] for plugin in engine.get("Plugins") or []}


def expect_mesh(step: Step, patience: float = 90) -> None:
    """Every node's plugin has an established connection to every other one, encrypted or not.

    The documents are kept under raw/. A driver that offers no status is not judged by one.
    """
    use = step.plugin
    if use.driver.mesh is None:
        return
    names = {machine.name: machine.docker.info()["Name"] for machine in use.machines}
    patience = _patience(step, patience)
    for machine in use.machines:
        others = sorted(name for owner, name in names.items() if owner != machine.name)
        seen = _mesh(machine, use.driver.mesh, set(others), patience)
        step.keep("mesh status", seen.document, machine)
        established = [peer for peer in seen.peers if peer.established]
        step.expect(
            "the mesh has an established connection to every other node",
            expected=others,
            seen=sorted({peer.name for peer in established}),
            source="plugin's status",
            proves=MESH_PROVES,
            machine=machine,
        )
        step.expect(
            "the connections are encrypted"
            if use.how.encrypted
            else "the connections are not encrypted: no password was set",
            expected=use.how.encrypted,
            seen=any(peer.encrypted for peer in established)
            if not use.how.encrypted
            else bool(established) and all(peer.encrypted for peer in established),
            source="plugin's status",
            machine=machine,
        )


def _mesh(
    machine: Machine, ask: Callable[[Machine], Mesh], others: set[str], patience: float
) -> Mesh:
    """The mesh once it has settled; after `patience` seconds, as it is then."""

    def settled(mesh: Mesh) -> bool:
        return others <= {peer.name for peer in mesh.peers if peer.established}

    return wait_until(lambda: ask(machine), settled, patience, pause=1, unanswered=(MachineError,))


def remove(step: Step) -> None:
    """Disable and remove the plugin on every node; `expect_gone` judges."""
    use = step.plugin
    try:
        for done in cleanup.remove_plugin(use).values():
            for result in done.commands:
                step.add(result)
    except MachinesError as error:
        step.context.tell(str(error))


def expect_gone(step: Step) -> None:
    """The plugin is on no node any more, and nothing of it is left."""
    use = step.plugin
    step.expect(
        "the plugin is gone from every node, and nothing is left that it created",
        expected=[],
        seen=cleanup.plugin_leftovers(use),
    )
