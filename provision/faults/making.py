"""Making, listing and healing the faults of a lab.

The order is what makes them safe: look, refuse, write down, arm the healing on every machine, and
only then make the fault.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from provision.changes.change import Change
from provision.changes.journal import Entry, Journal
from provision.faults import look, timer
from provision.faults.fault import DEFAULT_SECONDS, MOST_SECONDS, Fault, Part, checked_seconds
from provision.faults.kinds.power import PowerOff
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError, MachinesError, UserError
from provision.support.parallel import run_on_all

_END, _ID, _KIND = "end", "id", "kind"
# How a fault is listed that somebody is to find.
SECRET_KIND, SECRET_WORDS = "puzzle", "a puzzle is on"
_LIMIT = 120.0  # seconds for one of the shell texts; a daemon takes some to start
_HEALING = 300.0
_BACK = 600.0  # a machine that starts again; an emulated one takes minutes


@dataclass(frozen=True)
class Made:
    """A fault that was made: on which machines, and when it ends by itself.

    `there` has, by machine, shell text that root runs and that succeeds while the fault is there.
    """

    fault_id: str
    fault: Fault
    begin: str
    end: str
    there: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Active:
    """A fault on one machine, as the machine says or, where it does not answer, the journal."""

    fault_id: str
    machine: str
    kind: str
    words: str
    left: int

    @property
    def secret(self) -> bool:
        """Whether somebody is to find it: where it is must not be shown."""
        return self.kind == SECRET_KIND


@dataclass(frozen=True)
class _Plan:
    part: Part
    systemd: bool


def journal_of(lab: Lab, done: Journal) -> Journal:
    """Where faults are written down: in the journal of existing hosts, else in one of their own."""
    return done if done.existing else Journal(lab.files.faults)


def written_down(journal: Journal) -> list[Active]:
    """The faults that the journal has and whose time is not over."""
    return [one for one in _written(journal) if one.left > 0]


def _written(journal: Journal) -> list[Active]:
    return [
        Active(entry.before[_ID], name, entry.before[_KIND], entry.what, _left(entry))
        for name in journal.hosts()
        for entry in journal.of(name)
        if entry.kind == "fault"
    ]


def _left(entry: Entry) -> int:
    end = datetime.fromisoformat(entry.before[_END])
    return round((end - datetime.now(UTC)).total_seconds())


class Faults:
    """The faults of a lab whose machines are connected."""

    def __init__(self, lab: Lab, machines: dict[str, Machine], done: Journal) -> None:
        self.lab = lab
        self.machines = machines
        self.existing = lab.provider == "hosts"
        self.journal = journal_of(lab, done)

    # -- making -------------------------------------------------------------------------------

    def make(
        self,
        fault: Fault,
        seconds: float = DEFAULT_SECONDS,
        most: float = MOST_SECONDS,
        secret: bool = False,
    ) -> Made:
        """Make a fault that heals by itself after `seconds`, which are `most` at most.

        What is written down of a `secret` one, here and on the machines, does not say what it is.

        Raises UserError for a machine that the lab does not have, or a swarm that is not the lab's
        to break, Refused with the reason where a machine cannot have it (nothing is changed then),
        MachinesError where it could not be made everywhere (it is healed then).
        """
        checked_seconds(seconds, most)
        fault = self.resolved(fault)
        self._refuse_adopted(fault)
        if isinstance(fault, PowerOff):
            fault = replace(fault, seconds=seconds)
        fault_id = secrets.token_hex(4)
        self._prune()
        plans = self._plans(fault, fault_id)
        kind, words = (SECRET_KIND, SECRET_WORDS) if secret else (fault.kind, fault.words())
        label = timer.Label(fault_id, self.lab.name, kind, words, seconds, fault.lasting)
        begin = datetime.now(UTC)
        end = (begin + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        entries = self._begin(fault.places(), label, end)
        places = [self.machines[name] for name in plans]
        try:
            run_on_all("arming the healing", places, lambda m: _arm(m, label, plans[m.name]))
            run_on_all("making the fault", places, lambda m: _apply(m, label, plans[m.name]))
        except BaseException:
            with contextlib.suppress(MachineError):
                self._heal_id(fault_id, list(plans))
            raise
        for entry in entries:
            self.journal.finish(entry, {})
        there = {name: plan.part.there for name, plan in plans.items() if plan.part.there}
        return Made(fault_id, fault, begin.isoformat(timespec="milliseconds"), end, there)

    def _refuse_adopted(self, fault: Fault) -> None:
        if not fault.own and any(map(self.journal.adopted, self.journal.hosts())):
            raise UserError(
                f"fault {fault.kind}: this swarm is an adopted one, whose services would suffer.",
                "Make it in a lab with a swarm of its own.",
            )

    def resolved(self, fault: Fault) -> Fault:
        """The fault as it is made in this lab: with all the other machines, where none are named.

        Raises UserError for a machine that the lab does not have.
        """
        fault = fault.named(lambda name: self.lab.machine(name).name)
        return fault.on_lab(tuple(self.machines))

    @contextlib.contextmanager
    def during(self, fault: Fault, seconds: float = DEFAULT_SECONDS) -> Iterator[Made]:
        """A fault that lasts as long as the block, and no longer than `seconds`."""
        made = self.make(fault, seconds)
        try:
            yield made
        finally:
            self.heal(made)

    def _plans(self, fault: Fault, fault_id: str) -> dict[str, _Plan]:
        """What is done on each machine; refused where one of them cannot."""
        concerned = dict.fromkeys((fault.on, *fault.others))
        involved = [self.machines[name] for name in concerned]
        ports = set(run_on_all("asking for SSH's port", involved, look.ssh_port).values())
        places = [self.machines[name] for name in fault.places()]

        def look_at(machine: Machine) -> tuple[_Plan | None, str]:
            ends = {name: self.machines[name].address for name in fault.towards(machine.name)}
            seen = look.see(machine, self.lab.name, self.existing, ends, ports, fault.stops)
            if why := fault.refusal(seen):
                return None, why
            part = fault.part(seen, fault_id)
            return _Plan(part, seen.timer == "systemd"), look.missing(machine, seen, part)

        found = run_on_all("looking at the machine", places, look_at)
        look.refuse(fault.kind, {name: why for name, (_, why) in found.items()})
        return {name: plan for name, (plan, _) in found.items() if plan}

    def _begin(self, places: Sequence[str], label: timer.Label, end: str) -> list[Entry]:
        before = {_ID: label.fault_id, _KIND: label.kind, _END: end}
        return [
            self.journal.begin(Change(name, "fault", label.words, (label.fault_id,)), before)
            for name in places
        ]

    # -- listing ------------------------------------------------------------------------------

    def listed(self) -> list[Active]:
        """The faults on all machines; of a machine that does not answer, those written down."""
        silent: set[str] = set()
        found: dict[str, list[Active]] = {}
        try:
            found = run_on_all("looking for faults", self.machines.values(), self._on)
        except MachinesError as error:
            silent = set(error.failures)
            there = [m for name, m in self.machines.items() if name not in silent]
            found = run_on_all("looking for faults", there, self._on)
        rest = [one for one in written_down(self.journal) if one.machine in silent]
        return [one for name in self.machines for one in found.get(name, [])] + rest

    def _on(self, machine: Machine) -> list[Active]:
        machine.connect(patience=0)
        lines = machine.run_checked(timer.listing(self.lab.name), 60, sudo=True).splitlines()
        fields = (line.split("\t", 3) for line in lines)
        return [
            Active(fault_id, machine.name, kind, words, int(left))
            for fault_id, kind, left, words in fields
        ]

    # -- healing ------------------------------------------------------------------------------

    def heal(self, made: Made) -> bool:
        """Heal a fault now; whether it was there until now on all its machines.

        One that nobody can heal is waited for, until its machines answer again.
        """
        if made.fault.waits:
            self._wait(made)
        return all(self._heal_id(made.fault_id, list(made.fault.places())).values())

    def _wait(self, made: Made) -> None:
        left = (datetime.fromisoformat(made.end) - datetime.now(UTC)).total_seconds()
        time.sleep(max(0.0, left))
        for name in made.fault.places():
            self.machines[name].close()
            self.machines[name].connect(_BACK)

    def heal_all(self, machine: str = "", kind: str = "") -> list[Active]:
        """Heal all faults of the lab, or those that a machine has a part in, or those of a kind;
        what was healed.

        Raises MachinesError that names machines which do not answer.
        """
        name = self.lab.machine(machine).name if machine else ""
        found = {(one.machine, one.fault_id): one for one in _written(self.journal)}
        found |= {(one.machine, one.fault_id): one for one in self.listed()}
        ids = {
            one.fault_id
            for one in found.values()
            if name in {"", one.machine} and kind in {"", one.kind}
        }
        chosen = [one for one in found.values() if one.fault_id in ids]

        def heal(place: Machine) -> list[Active]:
            mine = [one for one in chosen if one.machine == place.name]
            there = [one for one in mine if heal_on(place, one.fault_id)]
            for one in mine:
                self.journal.strike_out(one.machine, "fault", (one.fault_id,))
            return there

        concerned = {one.machine for one in chosen}
        places = [place for place in self.machines.values() if place.name in concerned]
        healed = run_on_all("healing", places, heal)
        return [one for some in healed.values() for one in some]

    def heal_like(self, fault: Fault) -> None:
        """Heal every fault of these words, whoever has made it; one nobody can heal is waited for.

        Raises MachinesError that names machines which do not answer.
        """
        words = fault.words()
        found = {one.fault_id: one for one in [*_written(self.journal), *self.listed()]}
        for one in [one for one in found.values() if one.words == words]:
            end = datetime.now(UTC) + timedelta(seconds=max(0, one.left))
            self.heal(Made(one.fault_id, fault, "", end.isoformat()))

    def _heal_id(self, fault_id: str, names: Sequence[str]) -> dict[str, bool]:
        def heal(machine: Machine) -> bool:
            there = heal_on(machine, fault_id)
            self.journal.strike_out(machine.name, "fault", (fault_id,))
            return there

        return run_on_all("healing", [self.machines[name] for name in names], heal)

    def _prune(self) -> None:
        """Strike out what has healed by itself; where it has not, heal it."""
        for name in self.journal.hosts():
            for entry in self.journal.of(name):
                if entry.kind == "fault" and _left(entry) < 0 and name in self.machines:
                    # A machine that does not answer keeps its entry until it does.
                    with contextlib.suppress(MachineError):
                        undo(self.machines[name], entry)
                        self.journal.forget(name, entry)


def _arm(machine: Machine, label: timer.Label, plan: _Plan) -> None:
    done = machine.run(timer.armed(label, plan.part, plan.systemd), _LIMIT, sudo=True)
    if not done.ok:
        raise MachineError(f"{machine.name}: its healing could not be armed: {done.last_words}")


def _apply(machine: Machine, label: timer.Label, plan: _Plan) -> None:
    done = machine.run(timer.made(label, plan.part), _LIMIT, sudo=True)
    if not done.ok:
        raise MachineError(f"{machine.name}: fault {label.kind}: {done.last_words}")


def heal_on(machine: Machine, fault_id: str) -> bool:
    """Heal a fault's part on a machine, if it is still there; whether it was.

    Raises MachineError where it cannot be healed.
    """
    done = machine.run(timer.healed(fault_id), _HEALING, sudo=True)
    if not done.ok:
        raise MachineError(
            f"{machine.name}: fault {fault_id} could not be healed: {done.last_words}",
            "Its timer on the machine tries again; so does inv fault.heal.",
        )
    return done.stdout.strip().endswith("healed")


def undo(machine: Machine, entry: Entry) -> None:
    """Heal what the journal has of a host. Raises MachineError."""
    heal_on(machine, entry.before[_ID])
