"""Leaving a swarm, and removing what a node leaves behind in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import docker.errors
import requests

from provision.changes.journal import MEMBERSHIPS, Entry, Journal
from provision.changes.outcome import Outcome
from provision.engine import facts
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress
from provision.support.wait import wait_until
from provision.swarm import members, node_spec


def undo(
    machine: Machine,
    machines: dict[str, Machine],
    journal: Journal,
    outcome: Outcome,
    progress: Progress,
) -> None:
    """Leave the swarm, where the lab has made the membership, and strike out its entries.

    Where somebody has removed Docker meanwhile, what it held is struck out as well.
    """
    entries = [e for e in journal.of(machine.name) if e.kind.startswith("swarm-")]
    memberships = [entry for entry in entries if entry.kind in MEMBERSHIPS]
    if not facts.facts(machine).daemon:
        # Somebody has removed Docker meanwhile, and with it all that it held.
        gone = ("image", "plugin", "setting")
        inside = [e for e in journal.of(machine.name) if e.kind in gone]
        _forget(journal, machine, [*entries, *inside])
        return
    if not memberships:
        _forget(journal, machine, entries)
        return
    progress.phase(machine.name, "leaving the swarm")
    member = members.member(machine)
    adopted = journal.adopted(machine.name)
    if member.state == "inactive":
        _bridge(machine, memberships[0], outcome)
    elif adopted or not journal.owns(machine.name, member.node_id):
        why = "it was in it before" if adopted else "Swarmrig has not made it"
        outcome.left.append(f"{machine.name} in its swarm: {why}")
    else:
        _step_down(machine, machines, journal, member.node_id, outcome)
        machine.docker.api.leave_swarm(force=True)
        if members.member(machine).state != "inactive":
            raise MachineError(f"{machine.name}: is still in the swarm after leaving it.")
        outcome.removed.append(f"{machine.name} from the swarm")
        _bridge(machine, memberships[0], outcome)
    _forget(journal, machine, entries)


def _step_down(
    machine: Machine,
    machines: dict[str, Machine],
    journal: Journal,
    node_id: str,
    outcome: Outcome,
) -> None:
    """Out of a swarm that stays: demoted before it goes, and its entry with it."""
    adopted = [other for name, other in machines.items() if journal.adopted(name)]
    why = "no manager of it is in the lab"
    for other in adopted:
        try:
            if members.member(other).manager:
                remove_entry(other, node_id)
                return
        except (MachineError, docker.errors.APIError, requests.RequestException) as error:
            why = f"{other.name}: {getattr(error, 'explanation', None) or error}"
    if adopted:
        outcome.left.append(
            f"the entry of {machine.name} in the swarm that it has left, undrained: {why}"
        )


def _bridge(machine: Machine, first: Entry, outcome: Outcome) -> None:
    """Docker leaves this network behind when it leaves a swarm; before, it was not there."""
    if first.before.get("gwbridge"):
        return
    for network in machine.docker.networks.list(names=["docker_gwbridge"]):
        try:
            network.remove()
            outcome.removed.append(f"network docker_gwbridge on {machine.name}")
        except docker.errors.APIError as error:
            outcome.left.append(
                f"network docker_gwbridge on {machine.name}: {error.explanation or error}"
            )


def _forget(journal: Journal, machine: Machine, entries: Iterable[Entry]) -> None:
    for entry in entries:
        journal.forget(machine.name, entry)


def remove_entry(leader: Machine, node_id: str) -> None:
    """Remove a node from the swarm's list; a manager is demoted first."""
    with contextlib.suppress(docker.errors.NotFound):
        # After a lost quorum it is no member of the raft group any more: then it just goes.
        node_spec.change(leader, node_id, Role="worker")
    # A demotion takes a moment to arrive; until then the removal is refused.
    wait_until(
        lambda: leader.docker.api.remove_node(node_id, force=True),
        lambda _: True,
        patience=30,
        unanswered=(docker.errors.APIError,),
    )
