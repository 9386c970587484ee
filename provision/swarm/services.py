"""Services and networks of a scenario that was killed, removed from a swarm that stays."""

from __future__ import annotations

import contextlib
from operator import not_

import docker.errors

from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.wait import wait_until
from provision.swarm import members


def undo(machine: Machine, journal: Journal, outcome: Outcome) -> None:
    """What is the lab's in a swarm that stays; in its own it goes with the swarm."""
    entries = [e for e in journal.of(machine.name) if e.kind == "scenario"]
    stays = any(journal.adopted(host) for host in journal.hosts())
    if entries and stays and members.member(machine).manager:
        for entry in entries:
            _remove(machine, entry, outcome)
    for entry in entries:
        journal.forget(machine.name, entry)


def _remove(manager: Machine, entry: Entry, outcome: Outcome) -> None:
    """Its services, then its networks, which go only when no task uses them any more."""
    client = manager.docker
    wanted = {tuple(item.split(" ", 1)) for item in entry.items}

    def networks() -> list[str]:
        here = [n for n in client.networks.list() if ("network", n.name) in wanted]
        for network in here:
            with contextlib.suppress(docker.errors.APIError):
                network.remove()
        return [f"network {network.name}" for network in here]

    there = [s for s in client.services.list() if ("service", s.name) in wanted]
    for service in there:
        service.remove()
    found = networks()
    if left := wait_until(networks, not_, 60):
        raise MachineError(f"{manager.name}: {', '.join(left)} of {entry.what} does not go.")
    outcome.removed += [f"service {service.name}" for service in there] + found
