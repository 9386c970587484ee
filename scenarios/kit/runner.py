"""Runs a scenario: executes and judges its steps, cleans up, and keeps the record up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provision.changes import journal
from provision.changes.change import Change
from provision.faults.making import Faults
from provision.lab.model import AUTO_PLUGIN, Lab
from provision.machine.machine import Machine
from provision.plugins.facts import FORK
from provision.support.errors import UserError
from provision.swarm import left_behind
from scenarios.kit import cleanup, driver, faulting, holding
from scenarios.kit.created import Created
from scenarios.kit.doing import attempt, begun, carry_out
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.setup import Setup, context_of, fill, new_step, record_of
from scenarios.kit.step import Context, Step
from scenarios.record import model, store


def dry_run(scenario: Scenario, lab: Lab, tell: Callable[[str], None]) -> None:
    """Show every step with its command, without touching any machine."""
    names = {machine.name: machine.name for machine in lab.machines}
    reference = lab.weave.reference if lab.weave else AUTO_PLUGIN
    names["plugin"] = f"{FORK}<arch>" if reference == AUTO_PLUGIN else reference
    tell(f"Needs {', '.join(need.words() for need in scenario.needs)}.")
    told = "by hand" if scenario.exercise == "-" else "as in the book"
    for plan in scenario.steps:
        tell(f"{plan.number:>3}. {plan.title}  [{', '.join(plan.on)}]")
        if plan.why:
            tell(f"     {plan.why}")
        verbs = holding.by_hand(plan)
        for line in verbs:
            tell(f"     by hand: {line}")
        if plan.run:
            tell(f"     $ {fill(plan.run, names)}")
        else:
            for line in plan.book.splitlines()[len(verbs) :]:
                tell(f"     {told}: {line}")


def run(scenario: Scenario, setup: Setup) -> model.Record:
    """Run every step of a scenario on a lab that is up, and return the record of the run.

    A failed expectation fails its step and the run continues; an exception inside a step is that
    step's error. A step whose `needs` could not be done is skipped. Everything that the scenario
    created is removed at the end, also after an error or Ctrl-C, and the removal is verified.
    After each step the record is written to `setup.folder`/report.json, so that a run that is
    killed leaves what it has seen.

    A scenario that needs what the lab does not have is skipped, before anything is made.

    Raises UserError when a service or network of the scenario's names exists and is not this
    lab's, or when a plugin asks for privileges that are neither listed by the exercise nor granted.
    Raises MachinesError when an engine does not answer.
    """
    begin = time.monotonic()
    done = journal.of_lab(setup.lab)
    infos = setup.infos()
    if missing := setup.missing(scenario, infos):
        return _skipped(scenario, setup, infos, missing)
    refuse_others(scenario, setup.ordered, done)
    plugin = None
    if scenario.driver:
        plugin = driver.prepare(scenario.driver, setup.lab, setup.ordered, setup.grants, done)
    result = record_of(scenario, setup, infos)
    context = context_of(scenario, setup, result.topology, infos)
    context.faults = Faults(setup.lab, setup.machines, done)
    context.faults_made = result.faults
    context.timelines = result.timelines
    result.notes = [*result.notes, *faulting.notes(context.faults)]
    if plugin:
        context.plugin = plugin
        context.names["plugin"] = plugin.reference
    return _Run(scenario, setup, context, done, result, begin).go()


def _skipped(
    scenario: Scenario, setup: Setup, infos: dict[str, dict[str, Any]], missing: list[str]
) -> model.Record:
    """The record of a scenario that cannot run on this lab."""
    result = record_of(scenario, setup, infos)
    result.verdict, result.missing = "skipped", missing
    store.write(result, setup.folder)
    return result


def refused(scenario: Scenario, setup: Setup, why: str) -> model.Record:
    """The record of a scenario that was refused on this lab: of one of many, which go on."""
    return _skipped(scenario, setup, setup.infos(), [why])


def refuse_adopted(scenario: Scenario, done: journal.Journal) -> None:
    """Raise UserError for a scenario that changes nodes, in a swarm that the lab has adopted."""
    if scenario.restore and any(done.adopted(host) for host in done.hosts()):
        raise UserError(
            f"Scenario {scenario.name} changes the swarm's nodes, and this swarm is an adopted "
            "one: not the lab's to change.",
            "Run it in a lab with a swarm of its own.",
        )


def refuse_others(scenario: Scenario, machines: list[Machine], done: journal.Journal) -> None:
    """Raise UserError for what has one of the scenario's names and is not this lab's.

    On hosts that existed before the lab, only the journal tells what an earlier run has created.
    """
    refuse_adopted(scenario, done)
    if not done.existing:
        return
    if theirs := cleanup.others(scenario, machines, left_of(scenario, machines, done)):
        raise UserError(
            f"The swarm already has {', '.join(theirs)}, not created by this lab.",
            f"Scenario {scenario.name} uses these names and removes them when it ends: rename or "
            "remove them, or use other hosts.",
        )


@dataclass
class _Run:
    """One run: its steps in order, then the clean-up; the record is saved after each."""

    scenario: Scenario
    setup: Setup
    context: Context
    journal: journal.Journal
    result: model.Record
    begin: float

    def go(self) -> model.Record:
        try:
            if self._prepare():
                self._steps()
                self.result.verdict = verdict_of(self.result)
        except KeyboardInterrupt:
            self.setup.tell("interrupted; cleaning up")
        finally:
            self._add(_clean(self.scenario, self.context, self.setup.ordered, self.journal))
            if self.result.verdict != "interrupted":
                self.result.verdict = verdict_of(self.result)
            self._save()
        return self.result

    def _prepare(self) -> bool:
        """Remove what a run that was killed may have left; an error here is in the record."""
        machines = self.setup.ordered
        data = new_step("0", "Prepare the lab", machines)
        data.why = "Nothing of an earlier run may be left, and every node has to take tasks."
        data.state, data.reason = attempt(lambda: self._remove_leftovers(machines))
        if data.state == "error":
            self._add(data)
            self.result.verdict = "error"
            return False
        return True

    def _remove_leftovers(self, machines: list[Machine]) -> None:
        if self.scenario.restore:
            self.scenario.restore(machines)
        ids = left_of(self.scenario, machines, self.journal) if self.journal.existing else None
        for left in cleanup.leftovers(self.scenario, machines, ids):
            self.setup.tell(f"removing what an earlier run left: {left}")
        cleanup.clean(self.scenario, machines, ids)
        entry = write_down(self.scenario, machines[0], self.journal)
        if ids is not None:
            # What did not go in time is still known as this lab's.
            self.journal.note(entry, before={}, after=dict(ids))
            self.context.created = Created(self.journal, entry)

    def _steps(self) -> None:
        states: dict[str, str] = {}
        by_place = self.setup.by_place
        for plan in self.scenario.steps:
            if self.setup.before_step:
                self.setup.before_step(plan)
            step = _run_step(plan, self.context, [by_place[place] for place in plan.on], states)
            states[plan.number] = step.state
            self._add(step)
            self._save()
            self.setup.tell(_summary(step))

    def _add(self, step: model.Step) -> None:
        self.result.steps.append(step)

    def _save(self) -> None:
        self.result.seconds = round(time.monotonic() - self.begin, 3)
        store.write(self.result, self.setup.folder)


def _run_step(
    plan: StepPlan, context: Context, machines: list[Machine], states: dict[str, str]
) -> model.Step:
    data = begun(plan, machines)
    missing = [number for number in plan.needs if states.get(number) not in {"passed", "failed"}]
    if missing:
        data.state = "skipped"
        data.reason = f"it needs step {', '.join(missing)}, which could not be done"
        return data
    begin = time.monotonic()
    carry_out(plan, Step(context, data, machines))
    data.seconds = round(time.monotonic() - begin, 3)
    return data


def _clean(
    scenario: Scenario, context: Context, machines: list[Machine], done: journal.Journal
) -> model.Step:
    """Remove what is left of the scenario and verify it; a step of its own in the record."""
    data = new_step("0", "Clean up, and check that nothing is left", context.machines.values())
    data.why = "A scenario leaves the lab as it found it, so that the next run starts the same."
    begin = time.monotonic()
    plugin = context.plugin
    left: list[str] = []

    def work() -> None:
        try:
            holding.end_all(context)
        finally:
            if scenario.restore:
                scenario.restore(machines)
            left.extend(remove(scenario, machines, done, context.created))
            if plugin:
                left.extend(cleanup.release_plugin(plugin))

    data.state, data.reason = attempt(work)
    if data.state == "passed":
        more = "; no plugin, and nothing that it created" if plugin else ""
        clean = Step(context, data, machines).expect(
            f"no service, container or network of this scenario on any node{more}",
            expected=[],
            seen=left,
        )
        data.state = "passed" if clean else "failed"
    data.seconds = round(time.monotonic() - begin, 3)
    return data


def left_of(scenario: Scenario, machines: list[Machine], done: journal.Journal) -> dict[str, str]:
    """What runs of this lab that were killed have left, by id."""
    entries = done.about(machines[0].name, "scenario", made_by(scenario))
    return left_behind.left_of(machines, entries)


def remove(
    scenario: Scenario, machines: list[Machine], done: journal.Journal, created: Created | None
) -> list[str]:
    """Remove what the run has created; what is left of it, or has its names by now, in words."""
    ids: set[str] | None = None
    if done.existing:
        # Of a run that ended before its first step nothing is known but what it found.
        ids = {*(created.ids if created else ()), *left_of(scenario, machines, done)}
    cleanup.clean(scenario, machines, ids)
    left = cleanup.leftovers(scenario, machines, ids)
    if ids is not None:
        others = cleanup.others(scenario, machines, ids)
        left += [f"{item} (not created by a command of this run)" for item in others]
    if not left:
        done.strike_out(machines[0].name, "scenario", made_by(scenario))
    return left


def made_by(scenario: Scenario) -> tuple[str, ...]:
    """What the scenario creates, as the journal names it."""
    kinds = ("service", scenario.services), ("network", scenario.networks)
    return tuple(
        f"{kind} {name}"
        for kind, names in (*kinds, ("container", scenario.containers))
        for name in names
    )


def write_down(scenario: Scenario, manager: Machine, done: journal.Journal) -> journal.Entry:
    """Record in the journal what the run will create, so that `destroy` removes it if it is killed.

    What an earlier run recorded has been removed by now.
    """
    done.strike_out(manager.name, "scenario", made_by(scenario))
    what = f"run scenario {scenario.name}"
    return done.begin(Change(manager.name, "scenario", what, made_by(scenario)))


def entry_of(scenario: Scenario, manager: Machine, done: journal.Journal) -> journal.Entry:
    """The journal's entry of what single steps of the scenario have created; a new one at first."""
    if there := done.about(manager.name, "scenario", made_by(scenario)):
        return there[-1]
    what = f"do steps of scenario {scenario.name}"
    return done.begin(Change(manager.name, "scenario", what, made_by(scenario)))


def verdict_of(result: model.Record) -> model.Verdict:
    states = {step.state for step in result.steps}
    if "error" in states:
        return "error"
    # What was skipped proves nothing: of a run that passed, something has passed.
    proven = result.count(passed=True) or not result.skipped()
    return "failed" if states & {"failed", "skipped"} or not proven else "passed"


def _summary(step: model.Step) -> str:
    """A finished step as lines for the terminal."""
    marks = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}
    lines = [f"{marks[step.state]} {step.number:>3}. {step.title}"]
    lines += [
        f"       expected {e.what}: {e.expected!r}; seen: {e.seen!r}"
        for e in step.expectations
        if e.passed is False
    ]
    lines += [f"       skipped: {e.what}: {e.skipped}" for e in step.expectations if e.skipped]
    if step.reason:
        lines.append(f"       {step.reason}")
    return "\n".join(lines)
