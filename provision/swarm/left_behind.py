"""What a scenario that was killed has left, removed from hosts and a swarm that stay.

The journal has the ids, written down as soon as something was created. Of what was being created
when the run was killed it has the name, and the engine's time just before: nothing of that name
existed then. Services and swarm networks go with the lab's own swarm; containers and the networks
of one host do not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


@dataclass(frozen=True)
class _Thing:
    """Something that a machine's engine has: its id, kind and name, and when it was created.

    A `local` one is this machine's alone.
    """

    machine: Machine
    id: str
    item: str
    created: str
    local: bool

    def remove(self) -> None:
        api: Any = self.machine.docker.api
        kind = self.item.split(" ", 1)[0]
        # A network goes only when nothing uses it any more: its removal is tried until then.
        with contextlib.suppress(docker.errors.APIError):
            if kind == "service":
                api.remove_service(self.id)
            elif kind == "container":
                api.remove_container(self.id, force=True)
            else:
                api.remove_network(self.id)


def undo(machine: Machine, machines: Iterable[Machine], journal: Journal, outcome: Outcome) -> None:
    """Remove what is the lab's; what goes with its own swarm is left to that.

    Raises MachineError where no manager of a swarm that stays is among the machines.
    """
    entries = [e for e in journal.of(machine.name) if e.kind == "scenario"]
    stays = any(journal.adopted(host) for host in journal.hosts())
    if entries:
        others = [one for one in machines if one is not machine]
        manager = None
        if stays and members.member(machine).state != "inactive":
            manager = _manager([machine, *others])
            if manager is None:
                raise MachineError(
                    f"{machine.name}: what {entries[0].what} has left cannot be removed: no "
                    "manager of its swarm is in the lab.",
                    "Make one of the lab's hosts a manager again, and run inv destroy again.",
                )
        _remove(manager, [machine, *others], entries, outcome)
    for entry in entries:
        journal.forget(machine.name, entry)


def _manager(machines: Iterable[Machine]) -> Machine | None:
    return next((machine for machine in machines if members.member(machine).manager), None)


def left_of(machines: list[Machine], entries: list[Entry]) -> dict[str, str]:
    """What runs that were killed have left: "service web" and the like, by id.

    The first machine is a manager.
    """
    if not entries:
        return {}
    there = _there(machines[0], machines, _kinds(entries))
    return {one.id: one.item for one in _ours(there, entries)}


def _ours(there: list[_Thing], entries: list[Entry]) -> list[_Thing]:
    return [one for one in there if any(_made_by(entry, one) for entry in entries)]


def _kinds(entries: list[Entry]) -> set[str]:
    return {item.split(" ", 1)[0] for entry in entries for item in entry.items}


def _there(manager: Machine | None, machines: list[Machine], kinds: set[str]) -> list[_Thing]:
    """What the swarm has, where a manager of it is given, and each of the machines."""
    found: list[_Thing] = []

    def add(machine: Machine, kind: str, one: Any, local: bool, key: str = "Created") -> None:
        created = str(one.attrs.get(key, ""))
        found.append(_Thing(machine, str(one.id), f"{kind} {one.name}", created, local))

    if manager:
        for one in manager.docker.services.list():
            add(manager, "service", one, local=False, key="CreatedAt")
        machines = [manager, *(machine for machine in machines if machine is not manager)]
    for machine in machines:
        for network in machine.docker.networks.list():
            local = network.attrs.get("Scope") == "local"
            # Of a swarm's network a worker has a copy, which goes with the manager's.
            if local or machine is manager:
                add(machine, "network", network, local)
        if "container" in kinds:
            for container in machine.docker.containers.list(all=True, ignore_removed=True):
                add(machine, "container", container, local=True)
    return found


def _made_by(entry: Entry, thing: _Thing) -> bool:
    if thing.id in entry.after:
        return True
    begun = entry.before.get(thing.item)
    if not begun or not thing.created:
        return False
    since = _moment(thing.created) - _moment(begun)
    return -_ROUNDING <= since <= _LATEST


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _remove(
    manager: Machine | None, machines: list[Machine], entries: list[Entry], outcome: Outcome
) -> None:
    """Services and containers, then networks, which go only when nothing uses them any more."""
    kinds = _kinds(entries)
    there = _there(manager, machines, kinds)
    ours = _ours(there, entries)
    mine = {one.id for one in ours}
    names = {item for entry in entries for item in entry.items}
    outcome.left += [
        f"{one.item} in the swarm of {one.machine.name}: not created by this lab"
        if not one.local
        else f"{one.item} on {one.machine.name}: not created by this lab"
        for one in there
        if one.item in names and one.id not in mine
    ]
    for one in ours:
        if not one.item.startswith("network "):
            one.remove()

    def left() -> list[str]:
        here = {one.id for one in _there(manager, machines, kinds)}
        still = [one for one in ours if one.id in here]
        for one in still:
            if one.item.startswith("network "):
                one.remove()
        return [one.item for one in still]

    where = (manager or machines[0]).name
    if stuck := wait_until(left, not_, 60):
        raise MachineError(f"{where}: {', '.join(stuck)} of {entries[0].what} does not go.")
    outcome.removed += [one.item for one in ours]
