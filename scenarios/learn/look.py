"""An exercise that somebody types by hand: which steps are done, judged without acting.

The judges are those of a run. They look at the lab as it is, in the exercise's order; a step whose
`needs` are not done, or whose work would take away what is not there yet, has to wait.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from provision.changes import journal
from provision.faults.fault import Seen as FaultSeen
from provision.faults.making import Faults
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from scenarios.kit import driver, holding
from scenarios.kit.doing import begun, carry_out
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.setup import Answered, Setup, context_of, now, record_of
from scenarios.kit.step import Context, Step
from scenarios.learn import aims, names, silence, world
from scenarios.learn.progress import Done, Kept, Progress
from scenarios.record import model


class CannotRun(MachineError):
    """The lab lacks what a scenario needs; `words` say what."""

    def __init__(self, scenario: str, reasons: list[str]) -> None:
        self.words = "; ".join(reasons)
        super().__init__(f"Scenario {scenario} cannot run here: {self.words}.")


State = Literal["done", "open", "waiting"]


@dataclass(frozen=True)
class Seen:
    """A step as it was seen: `step` is how it was judged, None for one that waits.

    One that is done was judged so at the time `at`. `ready` says of an open probe that it was not
    tried.
    """

    plan: StepPlan
    state: State
    step: model.Step | None = None
    at: str = ""
    ready: bool = False


@dataclass
class Look:
    """One look at all steps, with the lab's engines as they were, the names that differ, and what
    each step is to bring about, by its number."""

    steps: list[Seen]
    world: world.World
    context: Context
    called: dict[str, str]
    aims: dict[str, aims.Aim]
    broken: bool = False  # whether a fault is there, which the exercise has made

    @property
    def next(self) -> Seen | None:
        """The first step that is not done, of those that wait for none."""
        undone = [seen for seen in self.steps if seen.state != "done"]
        return next((seen for seen in undone if seen.state == "open"), None) or next(
            iter(undone), None
        )

    @property
    def done(self) -> int:
        return sum(seen.state == "done" for seen in self.steps)


class Exercise:
    """A scenario on a lab that is up, typed by somebody. Nothing here changes the lab.

    Raises CannotRun where the lab lacks what the scenario needs.
    """

    def __init__(self, scenario: Scenario, setup: Setup, state: Path) -> None:
        self.scenario, self.setup = scenario, setup
        self.machines = setup.by_place
        self.faults = Faults(setup.lab, setup.machines, journal.of_lab(setup.lab))
        self.broken = False
        # What the learner has typed for a step that is done now, where that is known.
        self.typed: Callable[[StepPlan], list[model.Command]] = lambda _: []
        self._before = silence.Before(state / scenario.name)
        self._hear()
        infos = self.setup.infos()
        if reasons := self.setup.missing(scenario, infos):
            raise CannotRun(scenario.name, reasons)
        self.kept = Kept(state / scenario.name, scenario.name, _swarm(infos))
        self.plugin = self._plugin()
        self.record = record_of(scenario, self.setup, infos)
        self._keep_answers(infos)
        self.progress = self._load()

    def _hear(self) -> None:
        """Find out which engines a fault silences, where the exercise has faults.

        Raises MachineError for one that was never heard.
        """
        if any(plan.breaks for plan in self.scenario.steps):
            found = self.faults.listed()
            self.broken, why = bool(found), holding.silenced(found)
            self.setup = replace(self.setup, silent=self._before.of(why))
            self.machines = silence.seen_as(self.setup.by_place, lambda name: why.get(name, ""))

    def _keep_answers(self, infos: dict[str, dict[str, Any]]) -> None:
        if any(plan.breaks for plan in self.scenario.steps) and not self.setup.silent:
            apis = {host.name: host.api for host in self.record.topology.hosts}
            answers = {name: Answered(info, apis[name]) for name, info in infos.items()}
            self._before.keep(answers)

    def _load(self) -> Progress:
        """What is kept by now. A new attempt is kept at once: after a reset elsewhere, what is
        seen from then on counts."""
        kept = self.kept.load()
        if kept.topology.hosts:
            return kept
        kept.topology = self.record.topology.model_copy(deep=True)
        return self.kept.save(kept, new=True)

    def _plugin(self) -> driver.Use | None:
        if not self.scenario.driver:
            return None
        lab = self.setup.lab
        return driver.view(self.scenario.driver, lab, self.setup.ordered, journal.of_lab(lab))

    # -- looking ------------------------------------------------------------------------------

    def look(
        self, try_probe: Callable[[StepPlan], bool] = lambda _: True, refusals: bool = False
    ) -> Look:
        """Judge all steps as the lab is now. `try_probe` says whether an open probe is tried.

        With `refusals` the engines' logs are read as well, for what was typed on a worker.

        Raises MachinesError where an engine does not answer.
        """
        self.progress = self._load()
        self._hear()
        infos = self.setup.infos()
        context = self._context(infos)
        there = world.see(self.machines, infos, self._age() if refusals else 0)
        if self.progress.before is None:
            ids = {one.id for one in there.services}
            for engine in there.engines.values():
                ids |= {one.id for one in engine.networks} | {one.id for one in engine.containers}
            self.progress.before = sorted(ids)
        wanted = self._aims(context)
        self.progress.called = names.found(wanted.values(), there, self.progress.called)
        context.called = self.progress.called
        steps = [self._see(plan, context, try_probe) for plan in self.scenario.steps]
        self.progress = self.kept.save(self.progress)
        # Once more: by now steps have learned names.
        called, wanted_now = dict(self.progress.called), self._aims(context)
        return Look(steps, there, context, called, wanted_now, self.broken)

    def _age(self) -> float:
        """For how many seconds the exercise has been typed."""
        begun = datetime.fromisoformat(self.progress.begun)
        return max((datetime.now(UTC) - begun).total_seconds(), 1)

    def _context(self, infos: dict[str, dict[str, Any]]) -> Context:
        """What the judges work with: the names that were learned before, and no waiting."""
        topology = self.progress.topology.model_copy(deep=True)
        context = context_of(self.scenario, self.setup, topology, infos)
        context.folder = self.kept.folder / "now"
        context.machines = {place: self.machines[place] for place in context.machines}
        context.manager = self.machines["machine1"]
        context.faults = self.faults
        context.names = {**self.progress.names, **context.names}
        context.waits = False
        context.called = dict(self.progress.called)
        if self.plugin:
            context.plugin = self.plugin
            context.names["plugin"] = self.plugin.reference
        return context

    def _aims(self, context: Context) -> dict[str, aims.Aim]:
        """What each step is to bring about, in the exercise's names; by the step's number."""
        found = {plan.number: aims.aim_of(plan, context.names) for plan in self.scenario.steps}
        return {number: aim for number, aim in found.items() if aim}

    def _see(self, plan: StepPlan, context: Context, try_probe: Callable[[StepPlan], bool]) -> Seen:
        before = self.progress.done.get(plan.number)
        if before:
            if not plan.probe and not self.setup.silent:
                # Only for what it lets later steps know: a task may be another one by now.
                self.judge(plan, context)
            return Seen(plan, "done", before.step, before.at)
        if any(not self.progress.is_done(number) for number in (*plan.needs, *plan.undoes)):
            return Seen(plan, "waiting")
        if plan.probe and not try_probe(plan):
            return Seen(plan, "open", ready=True)
        step = self.judge(plan, context)
        if step.state != "passed":
            return Seen(plan, "open", step)
        step.commands = [*self.typed(plan), *step.commands]
        return self.mark(plan, context, step)

    def judge(self, plan: StepPlan, context: Context) -> model.Step:
        """What must be so after the step, judged now; names that it learns count if it is so."""
        machines = self.machines_of(plan)
        data = begun(plan, machines)
        names_before, shown_before = dict(context.names), context.topology
        context.topology = shown_before.model_copy(deep=True)
        carry_out(plan, Step(context, data, machines, acted=False))
        if data.state != "passed":
            context.names, context.topology = names_before, shown_before
        return data

    def machines_of(self, plan: StepPlan) -> list[Machine]:
        return [self.machines[place] for place in plan.on]

    def mark(self, plan: StepPlan, context: Context, step: model.Step) -> Seen:
        """The step is done, and stays it; its evidence is kept."""
        done = Done(at=now(), step=step)
        _copy_evidence(step, context.folder, self.kept.folder)
        self.progress.done[plan.number] = done
        self.progress.names = dict(context.names)
        _keep_newest(context.topology)
        self.progress.topology = context.topology
        self.progress.hints.pop(plan.number, None)
        return Seen(plan, "done", step, done.at)

    # -- the report ---------------------------------------------------------------------------

    def report(self, folder: Path) -> model.Record:
        """The record of what was typed so far; its evidence is copied into the report's folder."""
        progress = self.progress
        record = self.record.model_copy(deep=True)
        record.topology = progress.topology
        record.notes = [*record.notes, *self._notes(progress)]
        record.steps = [self._reported(plan) for plan in self.scenario.steps]
        times = sorted(done.at for done in progress.done.values())
        record.started = times[0] if times else record.started
        for step in record.steps:
            _copy_evidence(step, self.kept.folder, folder)
        return record

    def _notes(self, progress: Progress) -> list[str]:
        typed = "Typed by hand: each step was judged when its work was first seen."
        return [typed, *names.told(progress.called)]

    def _reported(self, plan: StepPlan) -> model.Step:
        if done := self.progress.done.get(plan.number):
            return done.step
        step = begun(plan, self.machines_of(plan))
        step.state, step.reason = "skipped", "it is not done yet"
        return step


def step_of(scenario: Scenario, number: str) -> StepPlan:
    """A step by its number. Raises UserError with those that there are."""
    for plan in scenario.steps:
        if plan.number == number:
            return plan
    there = ", ".join(plan.number for plan in scenario.steps)
    raise UserError(f"Scenario {scenario.name} has no step {number!r}.", f"It has: {there}")


def typed_fault(plan: StepPlan, exercise: Exercise) -> str:
    """What makes or heals the step's fault, as it is typed on the controlling host; "" for none.

    Of several faults the first one that machines of this lab's provider can have.
    """
    setup, places = exercise.setup, exercise.machines
    kind = FaultSeen(
        machine="",
        lab=setup.lab.name,
        address="",
        existing=setup.provider == "hosts",
        container=setup.provider == "docker",
        timer="systemd",
        packet_filter="nft",
        docker=True,
        device="-",
        tools=frozenset({"tc"}),
    )
    can = tuple(fault for fault in plan.breaks if not fault.refusal(kind)) or plan.breaks
    lines = holding.by_hand(replace(plan, breaks=can), lambda place: places[place].name)
    return lines[0] if lines else ""


def named(plan: StepPlan, called: dict[str, str]) -> StepPlan:
    """The step with the learner's own names in its command."""
    run, service = names.renamed(plan.run, called), called.get(plan.service, plan.service)
    return replace(plan, run=run, service=service)


def _swarm(infos: dict[str, dict[str, Any]]) -> str:
    """The swarm's id, which its managers tell."""
    swarms = [info.get("Swarm") or {} for info in infos.values()]
    ids = [str((swarm.get("Cluster") or {}).get("ID") or "") for swarm in swarms]
    return next(filter(None, ids), "")


def _copy_evidence(step: model.Step, source: Path, target: Path) -> None:
    """The documents and captures of a step, from one folder to another."""
    for file in [d.file for d in step.documents] + [c.file for c in step.captures]:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)


def _keep_newest(shown: model.Topology) -> None:
    """Of what was noted of one network or task again and again, the last note; an MTU that was
    asked once is kept."""
    mtus = {one.id: one.mtu for one in shown.networks if one.mtu is not None}
    for network in shown.networks:
        network.mtu = network.mtu or mtus.get(network.id)
    shown.networks = list({network.name: network for network in shown.networks}.values())
    tasks = {(task.service, task.machine, task.network): task for task in shown.tasks}
    shown.tasks = list(tasks.values())
