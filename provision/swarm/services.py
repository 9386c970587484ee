"""Services and networks of a scenario that was killed, removed from a swarm that stays.

The journal has their ids, written down as soon as they were created. Of the one that was being
created when the run was killed it has the name, and the engine's time just before: nothing of that
name existed then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import not_
from typing import Any

import docker.errors

from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.wait import wait_until
from provision.swarm import members

# How long after it was begun a creation that was cut off can have come about.
_LATEST = timedelta(seconds=60)
_ROUNDING = timedelta(seconds=1)


def undo(machine: Machine, machines: Iterable[Machine], journal: Journal, outcome: Outcome) -> None:
    """What is the lab's in a swarm that stays; in its own it goes with the swarm.

    Raises MachineError where no manager of that swarm is among the machines.
    """
    entries = [e for e in journal.of(machine.name) if e.kind == "scenario"]
    stays = any(journal.adopted(host) for host in journal.hosts())
    if entries and stays and members.member(machine).state != "inactive":
        manager = _manager([machine, *machines])
        if manager is None:
            raise MachineError(
                f"{machine.name}: what {entries[0].what} has left cannot be removed: no manager "
                "of its swarm is in the lab.",
                "Make one of the lab's hosts a manager again, and run inv destroy again.",
            )
        _remove(manager, entries, outcome)
    for entry in entries:
        journal.forget(machine.name, entry)


def _manager(machines: Iterable[Machine]) -> Machine | None:
    return next((machine for machine in machines if members.member(machine).manager), None)


def left_of(manager: Machine, entries: list[Entry]) -> dict[str, str]:
    """What runs that were killed have left in the swarm: "service web" and the like, by id."""
    if not entries:
        return {}
    return {
        id_: item
        for id_, item, created in _there(manager)
        if any(_made_by(entry, id_, item, created) for entry in entries)
    }


def _there(manager: Machine) -> list[tuple[str, str, str]]:
    """The swarm's services and networks: id, kind and name, and when they were created."""

    def rows(kind: str, found: Iterable[Any], created: str) -> list[tuple[str, str, str]]:
        return [(str(x.id), f"{kind} {x.name}", str(x.attrs.get(created, ""))) for x in found]

    client = manager.docker
    return rows("service", client.services.list(), "CreatedAt") + rows(
        "network", client.networks.list(), "Created"
    )


def _made_by(entry: Entry, id_: str, item: str, created: str) -> bool:
    if id_ in entry.after:
        return True
    begun = entry.before.get(item)
    if not begun or not created:
        return False
    since = datetime.fromisoformat(created) - datetime.fromisoformat(begun)
    return -_ROUNDING <= since <= _LATEST


def _remove(manager: Machine, entries: list[Entry], outcome: Outcome) -> None:
    """Services, then networks, which go only when no task uses them any more."""
    api: Any = manager.docker.api
    ours = left_of(manager, entries)
    names = {item for entry in entries for item in entry.items}
    outcome.left += [
        f"{item} in the swarm of {manager.name}: not created by this lab"
        for id_, item, _ in _there(manager)
        if item in names and id_ not in ours
    ]
    for id_, item in ours.items():
        if item.startswith("service "):
            with contextlib.suppress(docker.errors.NotFound):
                api.remove_service(id_)

    def networks() -> list[str]:
        here = {id_ for id_, _, _ in _there(manager)}
        left = {id_: item for id_, item in ours.items() if id_ in here}
        for id_, item in left.items():
            if item.startswith("network "):
                with contextlib.suppress(docker.errors.APIError):
                    api.remove_network(id_)
        return list(left.values())

    if left := wait_until(networks, not_, 60):
        raise MachineError(f"{manager.name}: {', '.join(left)} of {entries[0].what} does not go.")
    outcome.removed += ours.values()
