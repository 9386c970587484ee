"""From machines that can be reached to a ready swarm: facts of all of them first, changes after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from provision.changes.change import Change, carry_out
from provision.changes.journal import Journal
from provision.engine import (
    clock,
    daemon,
    daemon_config,
    disk,
    facts,
    images,
    install,
    names,
    preflight,
    proxy,
    script,
    settings,
)
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.plugins import api_version
from provision.support.errors import MachinesError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.swarm import converge, members
from provision.swarm import plan as swarm_plan
from provision.swarm.plan import Allowed

R = TypeVar("R")
_UNKNOWN = "its images and its swarm are unknown until Docker runs"


@dataclass(frozen=True)
class Wanted:
    """What a lock or else lab.toml asks for: an engine version, an image and its digest."""

    engine: str
    image: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Plan:
    """Everything that `up` would do to machines that can be reached.

    `unknown` names the machines whose engine does not answer yet, and what that leaves open;
    `notes` say what is left alone for a reason, or may be trouble.
    """

    of_names: list[Change]
    of_engine: list[Change]
    of_images: list[Change]
    of_scripts: list[Change]
    of_swarm: list[Change]
    choice: images.Choice
    unknown: dict[str, str]
    notes: list[str]

    @property
    def changes(self) -> list[Change]:
        return [*self.of_names, *self.of_engine, *self.of_images, *self.of_scripts, *self.of_swarm]


def plan(
    lab: Lab,
    machines: dict[str, Machine],
    journal: Journal,
    wanted: Wanted,
    allowed: Allowed | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Look at every machine and change none.

    Raises MachineError or MachinesError where a machine cannot be provisioned: without sudo,
    without a recipe for its system, in somebody else's swarm.
    """
    of_names, notes = _names(lab, machines, journal)
    run_on_all("Docker", machines.values(), lambda machine: daemon.let_start(machine, progress))
    needs, answering = _engines(lab, machines, journal, wanted)
    kernels = preflight.look(machines)
    preflight.check(kernels)
    notes = [*notes, *preflight.notes(kernels)]
    seen = _look_for_images(lab, answering)
    swarm = _swarm(machines, answering, progress)
    all_seen = {name: seen.get(name, images.Facts({}, known=False)) for name in machines}
    notes += script.notes(lab)
    of_scripts = run_on_all(
        "looking for scripts", machines.values(), lambda m: script.plan(lab, m, journal)
    )
    if swarm:
        notes = [*notes, *swarm_plan.notes(lab, swarm)]
    return Plan(
        of_names=of_names,
        of_engine=[*needs, *_settings(lab, answering)],
        of_images=images.plan(lab, all_seen),
        of_scripts=[change for found in of_scripts.values() for change in found],
        of_swarm=swarm_plan.plan(lab, swarm, journal, allowed) if swarm else [],
        choice=images.choose(lab, all_seen),
        # A machine without Docker has no images and is in no swarm: that much is sure.
        unknown={change.machine: _UNKNOWN for change in needs if change.kind == "daemon"},
        notes=notes,
    )


def _names(
    lab: Lab, machines: dict[str, Machine], journal: Journal
) -> tuple[list[Change], list[str]]:
    seen = run_on_all(
        "looking for names",
        machines.values(),
        lambda machine: names.facts(machine, lab, journal.existing),
    )
    return names.plan(lab, seen, journal.existing)


def _swarm(
    machines: dict[str, Machine], answering: dict[str, Machine], progress: Progress | None
) -> members.Facts | None:
    """What the engines say of the swarm; None where those that are stopped may manage it."""
    if len(answering) == len(machines):
        return members.look(answering, progress)
    seen = members.look_where_possible(answering)
    inside = any(found.state != "inactive" for found in seen.members.values())
    return None if inside and not seen.leader else seen


def _settings(lab: Lab, answering: dict[str, Machine]) -> list[Change]:
    """What engines that were there before must be set to, so that the lab's plugin is served."""
    if not lab.weave:
        return []
    plugin = lab.weave
    asked = run_on_all(
        "asking for its API", answering.values(), lambda m: api_version.needed(m, plugin)
    )
    return [
        Change(
            name,
            "setting",
            f"set {api_version.SETTING} to {version} in {daemon_config.FILE}, and restart Docker",
            (api_version.SETTING, version),
        )
        for name, version in asked.items()
        if version
    ]


def _engines(
    lab: Lab, machines: dict[str, Machine], journal: Journal, wanted: Wanted
) -> tuple[list[Change], dict[str, Machine]]:
    """What the engines need, and the machines whose engine answers already."""
    answering: set[str] = set()

    def look(machine: Machine) -> list[Change]:
        seen = facts.facts(machine)
        # First, for it refuses a login that may not use sudo: what follows needs that.
        packages = install.plan(machine.name, seen, wanted.engine, journal.existing)
        # Packages come through the proxy, and need room.
        found = disk.plan(machine) + proxy.plan(lab, machine.name, proxy.facts(machine), journal)
        found += packages
        if seen.docker and seen.active:
            answering.add(machine.name)
        there = settings.facts(machine, lab.docker_settings, journal)
        return found + settings.plan(machine.name, there, lab.docker_settings)

    needs = run_on_all("looking for Docker", machines.values(), look)
    return (
        [change for found in needs.values() for change in found],
        {name: machine for name, machine in machines.items() if name in answering},
    )


def provision(
    lab: Lab,
    machines: dict[str, Machine],
    journal: Journal,
    progress: Progress,
    wanted: Wanted,
    allowed: Allowed | None = None,
) -> tuple[images.Choice, dict[str, str]]:
    """Carry the plan out; the image that scenarios run, and each machine's engine version.

    All is looked at before anything is changed. Where a machine fails to get Docker or an image,
    the others still get theirs; the swarm is formed only when all have. Raises MachinesError with
    each machine's own error.
    """
    clock.settle(machines, journal.existing, progress)
    install.settle(machines, journal)
    planned = plan(lab, machines, journal, wanted, allowed, progress)
    work = _Provisioning(lab, machines, journal, progress)
    for note in planned.notes:
        progress.say(note)
    work.enter_names(planned.of_names)
    versions = work.prepare_engines(planned.of_engine)
    choice = work.bring_images(planned, wanted.image)
    work.run_scripts(planned.of_scripts)
    if work.failures:
        raise MachinesError(
            "preparing",
            {name: work.failures[name] for name in machines if name in work.failures},
            [name for name in machines if name not in work.failures],
            note="The swarm was left as it is. inv up resumes from here.",
        )
    converge.converge(lab, machines, progress, journal, allowed)
    return choice, versions


@dataclass
class _Provisioning:
    """Names, engines, then images, on all machines at once; `failures` has those that failed."""

    lab: Lab
    machines: dict[str, Machine]
    journal: Journal
    progress: Progress
    failures: dict[str, BaseException] = field(default_factory=dict)

    @property
    def well(self) -> dict[str, Machine]:
        return {name: m for name, m in self.machines.items() if name not in self.failures}

    def enter_names(self, todo: list[Change]) -> None:
        """The machines' names in each other's /etc/hosts, where that can be written."""

        def enter(machine: Machine, change: Change) -> None:
            if problem := names.apply(self.lab.name, machine, change, self.journal):
                self.progress.say(problem)

        self._gather(lambda: carry_out("names", self.machines, todo, enter, self.progress))

    def prepare_engines(self, todo: list[Change]) -> dict[str, str]:
        """Docker on every machine; the versions of those where it answers."""
        self._gather(
            lambda: carry_out("Docker", self.machines, todo, self._on_engine, self.progress)
        )
        versions = self._gather(
            lambda: run_on_all("Docker", self.well.values(), self._ready, self.progress)
        )
        return versions or {}

    def bring_images(self, planned: Plan, locked: tuple[str, str]) -> images.Choice:
        """Images on every machine that has Docker; the one that scenarios run."""
        todo, choice = planned.of_images, planned.choice
        if planned.of_engine:
            # What was not to be seen before Docker ran.
            seen = _look_for_images(self.lab, self.well)
            todo, choice = images.plan(self.lab, seen), images.choose(self.lab, seen)

        def bring(machine: Machine, change: Change) -> None:
            images.apply(self.lab, machine, change, self.journal, locked)

        self._gather(lambda: carry_out("getting images", self.well, todo, bring, self.progress))
        return choice

    def run_scripts(self, todo: list[Change]) -> None:
        """The lab's own scripts, on every machine that has Docker and its image."""

        def run(machine: Machine, change: Change) -> None:
            script.apply(self.lab, machine, change, self.journal, self.progress)

        self._gather(lambda: carry_out("provisioning", self.well, todo, run, self.progress))

    def _on_engine(self, machine: Machine, change: Change) -> None:
        if change.kind == "setting" and self.lab.weave:
            with self.journal.writing(change):
                api_version.prepare(machine, self.lab.weave, self.progress)
        elif change.kind == "disk":
            disk.apply(machine, change)
        elif change.kind == "proxy":
            proxy.apply(self.lab, machine, self.journal, change, self.progress)
        elif change.kind == "settings":
            wanted = self.lab.docker_settings
            settings.apply(machine, change, wanted, self.journal, self.progress)
        else:
            install.apply(machine, change, self.journal, self.progress)

    def _ready(self, machine: Machine) -> str:
        version = daemon.ready(machine, self.progress)
        if self.lab.weave:
            # An engine that was installed just now could not be asked before.
            api_version.prepare(machine, self.lab.weave, self.progress)
        return version

    def _gather(self, work: Callable[[], R]) -> R | None:
        """Do the work; the machines that failed are added to `failures`, the rest was done."""
        try:
            return work()
        except MachinesError as error:
            self.failures.update(error.failures)
            return None


def _look_for_images(lab: Lab, machines: dict[str, Machine]) -> dict[str, images.Facts]:
    return run_on_all(
        "looking for images",
        machines.values(),
        lambda machine: images.facts(machine, images.references(lab)),
    )
