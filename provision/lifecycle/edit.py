"""An edited lab.toml on a lab that exists: what `up` says, refuses and does before it boots."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import docker.errors
import requests

from provision.changes import journal
from provision.lab.model import Lab
from provision.lifecycle import applied, difference, revert
from provision.lifecycle.difference import Difference, differences
from provision.machine.machine import Machine, connected
from provision.providers import select
from provision.providers.base import Provider
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from provision.support.wait import wait_until
from provision.swarm import leave, members, nodes
from provision.swarm.plan import FLAG

_PATIENCE = 90.0  # seconds for the engines of machines that were booted, and for their managers


@dataclass(frozen=True)
class Edit:
    """What lab.toml changes. `old` is the lab with all machines that exist, None for a new lab."""

    wanted: Lab
    old: Lab | None
    found: tuple[Difference, ...] = ()

    def lines(self) -> list[str]:
        return [f"changed in {self.wanted.file.name}: {one}" for one in self.found]

    def machines(self, how: str) -> list[str]:
        return list(dict.fromkeys(one.machine for one in self.found if one.how == how))


def look(lab: Lab) -> Edit:
    """What lab.toml changes. Raises UserError where that cannot be applied; changes nothing."""
    kind = applied.holds(lab.files)
    if not applied.fits(lab):
        made = "on existing hosts" if kind == "hosts" else "of virtual machines"
        raise UserError(
            f"Lab {lab.name!r} was made {made}, and {lab.file.name} has provider "
            f'"{lab.provider}" by now.',
            "Remove what was made first: inv destroy",
        )
    kept = applied.earlier(lab)
    if not kind and not kept:
        return Edit(lab, None)
    provider = select.of_state(lab)
    there = _there(lab, provider)
    if not applied.is_hosts(lab) and not there:
        # Nothing was made yet: the next plan is free to choose.
        return Edit(lab, None)
    known = {machine.name for one in kept for machine in one.machines}
    everything = applied.existing(lab)
    machines = tuple(m for m in everything.machines if m.name in known | there)
    old = replace(everything, machines=machines)
    found: dict[str, Difference] = {}
    for one in kept:
        for new in differences(_with_provider(one, provider), lab):
            # A machine that is gone already (a checkpoint was restored since) is in the swarm yet.
            whole = new.how in ("added", "removed") or not new.machine
            if whole or new.machine in there:
                found[str(new)] = new
    found.update({str(one): one for one in difference.scripts(_ran(lab), lab)})
    wanted = {machine.name for machine in lab.machines}
    for name in sorted(there):
        if name not in known | wanted:
            unknown = Difference("removed", "made by an earlier up, and not in the lab", name)
            found[str(unknown)] = unknown
    if any(journal.of_lab(lab).adopted(machine.name) for machine in lab.machines):
        # What an adopted swarm is like is its owner's: `up` tells where it differs.
        found = {key: one for key, one in found.items() if not one.what.startswith("swarm.")}
    _refuse(lab, list(found.values()))
    return Edit(lab, old, tuple(found.values()))


def _ran(lab: Lab) -> dict[str, str]:
    """The checksums of the lab's scripts when the last `up` ran them."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        made = json.loads(lab.files.ready.read_text(encoding="utf-8")).get("made") or {}
        return dict(made.get("scripts") or {})
    return {}


def _there(lab: Lab, provider: Provider | None) -> set[str]:
    """The machines that exist: Vagrant's, and those that libvirt has of a killed `up`."""
    everything = applied.existing(lab)
    names = {machine.name for machine in everything.machines}
    if applied.is_hosts(lab):
        return names
    made = set(lab.files.machines())
    if provider is None:
        return made
    states = select.of_state(everything)
    seen = states.states() if states else {}
    return made | {name for name in names if seen.get(name, "absent") not in {"absent", "unknown"}}


def _with_provider(lab: Lab, provider: Provider | None) -> Lab:
    """The lab with the provider that "auto" has chosen."""
    if provider is None or applied.is_hosts(lab):
        return lab
    return replace(lab, provider=provider.name)


def _refuse(lab: Lab, found: list[Difference]) -> None:
    late = [str(one) for one in found if one.how == "recreate"]
    if not late:
        return
    advice = "Recreate the lab: inv rebuild --cold. Nothing was changed."
    if applied.is_hosts(lab):
        advice = (
            "Restore the old value and run inv destroy; then inv up with the new one. "
            "Nothing was changed."
        )
    raise UserError("\n".join(f"{lab.file.name}: {line}" for line in late), advice)


def forget_plan(edit: Edit) -> None:
    """Where nothing was made, an edited definition gets a plan of its own."""
    if edit.old is None and not applied.is_hosts(edit.wanted):
        edit.wanted.files.plan.unlink(missing_ok=True)


def apply(edit: Edit, provider: Provider, progress: Progress, recover: bool = False) -> None:
    """Remove machines and stop those that restart; `up` does the rest.

    A manager is removed from a swarm that does not answer only where `recover` allows to lose
    what the swarm holds. Raises MachineError.
    """
    if edit.old and (gone := edit.machines("removed")):
        _remove(edit, edit.old, gone, progress, recover)
    if restart := edit.machines("restart"):
        provider.restart(restart, progress)


def _remove(edit: Edit, old: Lab, names: list[str], progress: Progress, recover: bool) -> None:
    provider = select.of_state(old)
    if provider is None:
        return
    if not applied.is_hosts(old):
        _boot(edit, old, progress)
    written = journal.of_lab(old)
    with _reached(old, provider) as machines:
        _Leaving(edit.wanted, old, machines, written, progress).all(
            [name for name in names if not written.adopted(name)], recover
        )
    for name in names:
        if applied.is_hosts(old):
            # Only this host's changes are undone; Docker itself stays until `destroy --purge`.
            alone = replace(old, machines=(old.machine(name),))
            if host := select.of_state(alone):
                for what in revert.revert(alone, host, False, progress):
                    progress.say(f"removed {what}")
    for what in provider.remove(names, progress):
        progress.say(f"removed {what}")


def _boot(edit: Edit, old: Lab, progress: Progress) -> None:
    """A machine leaves a swarm that runs: machines that are stopped are booted first."""
    known = {machine.name for one in applied.earlier(edit.wanted) for machine in one.machines}
    before = replace(old, machines=tuple(m for m in old.machines if m.name in known))
    provider = select.of_state(before)
    if provider is None or not before.machines:
        return
    if any(state in {"stopped", "paused"} for state in provider.states().values()):
        provider.up(progress)


@contextmanager
def _reached(lab: Lab, provider: Provider) -> Iterator[dict[str, Machine]]:
    """The machines that can be in the swarm, over connections; none where none can be reached."""
    try:
        ends = provider.endpoints()
    except MachineError:
        yield {}
        return
    some = tuple(machine for machine in lab.machines if machine.name in ends)
    with connected(replace(lab, machines=some), ends) as machines:
        yield machines


@dataclass
class _Leaving:
    """Machines leave the swarm of a lab that stays."""

    wanted: Lab
    old: Lab
    machines: dict[str, Machine]
    written: journal.Journal
    progress: Progress

    def all(self, names: list[str], recover: bool) -> None:
        seen = self._look()
        if not seen.leader:
            self._unanswered(seen, names, recover)
            return
        inside = [name for name in names if self._entries(seen, name)]
        if not inside:
            return
        try:
            swarm = nodes.Nodes(self.machines, self.progress)
            # The managers that stay come first, so that one is there when the others leave.
            for machine in self.wanted.managers:
                if self._entries(seen, machine.name) and not self._adopted:
                    swarm.promote(machine.name)
            for name in inside:
                self._leave(swarm, seen, name)
        except (docker.errors.APIError, requests.RequestException) as error:
            raise MachineError(f"{', '.join(inside)}: leaving the swarm: {error}") from error

    @property
    def _adopted(self) -> bool:
        return any(self.written.adopted(host) for host in self.written.hosts())

    def _look(self) -> members.Facts:
        """What the swarm is like, once the engines of machines that were booted have started."""
        addresses = {name: machine.address for name, machine in self.machines.items()}

        def settled(seen: members.Facts) -> bool:
            everybody = len(seen.members) == len(self.machines)
            return bool(seen.leader) or (everybody and not seen.passing(addresses))

        return wait_until(
            lambda: members.look_where_possible(self.machines), settled, _PATIENCE, pause=2
        )

    def _unanswered(self, seen: members.Facts, names: list[str], recover: bool) -> None:
        """No manager answers: what leaves is not drained, and a manager may be the last one.

        Raises MachineError for that, unless `recover` allows to lose what the swarm holds.
        """
        formed = self.wanted.files.ready.exists()
        for name in names:
            member = seen.members.get(name)
            if (member and member.state == "inactive") or not (member or formed):
                continue
            manager = member.manager if member else self.old.machine(name).role == "manager"
            if manager and not recover:
                raise MachineError(
                    f"{name}: not removed, for no manager of the lab's swarm answers, and {name} "
                    "may have the only copy of its services, secrets and configs.",
                    f"Put it back into {self.wanted.file.name} and bring its managers back, or "
                    f"lose what only {name} has: {FLAG}",
                )
            self.progress.say(
                f"{name}: removed without being drained, for no manager of the lab's swarm answers"
            )

    def _entries(self, seen: members.Facts, name: str) -> list[str]:
        """The swarm's entries of a machine: by its own node id, else by its address or name.

        In an adopted swarm they are those that the lab has made by joining it, and no others.
        """
        member = seen.members.get(name)
        machine = self.machines.get(name)
        if self._adopted:
            joined = self.written.joined(name)
            return [node["ID"] for node in seen.nodes if node["ID"] in joined]
        return [
            node["ID"]
            for node in seen.nodes
            if (member and member.node_id == node["ID"])
            or (machine and node["Status"].get("Addr") == machine.address)
            or (not applied.is_hosts(self.wanted) and node["Description"].get("Hostname") == name)
        ]

    def _leave(self, swarm: nodes.Nodes, seen: members.Facts, name: str) -> None:
        member = seen.members.get(name)
        if member and member.state == "active":
            if member.manager:
                swarm.demote(name)
            swarm.drain(name)
            self.machines[name].docker.api.leave_swarm(force=True)
        stay = [m.name for m in self.wanted.machines if m.name in self.machines]
        now = members.look_where_possible({name: self.machines[name] for name in stay})
        if not now.leader:
            raise MachineError(f"{name} cannot be removed: no manager that stays answers.")
        for entry in self._entries(seen, name):
            leave.remove_entry(self.machines[now.leader], entry)
        self.progress.done(name, "left the swarm")
