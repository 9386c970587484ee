"""The verbs check, hint, solve and catch-up: somebody types an exercise, and it is judged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.lab.load import load_lab
from provision.lab.model import Lab
from provision.machine.running_lab import OpenLab, RunningLab
from provision.support import terminal
from provision.support.errors import SwarmrigError, UserError
from scenarios.checks import diagnosis
from scenarios.cli import learn_text as text
from scenarios.kit import discovery, requires, runner
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.setup import Setup
from scenarios.learn import hints, watch
from scenarios.learn.look import CannotRun, Exercise, Look, step_of
from scenarios.learn.progress import Kept
from scenarios.learn.solve import only, solve_before
from scenarios.learn.solve import solve as solve_step
from scenarios.record import store
from scenarios.report.write import write_reports


def check(
    open_lab: OpenLab,
    lab_file: str,
    name: str,
    follow: bool = False,
    walk: bool = False,
    as_json: bool = False,
    reset: bool = False,
) -> bool:
    """Show which steps of an exercise are done; whether all are. Nothing of the lab is changed.

    An exercise that cannot be done on this lab is skipped, with the reason.
    """
    lab, scenario = load_lab(lab_file), discovery.get(name)
    requires.refuse(name, scenario.needs, requires.given_by(lab))
    if reset:
        Kept(lab.files.exercises / scenario.name, scenario.name, "").reset()
        terminal.say(f"Forgotten how far {name} has come. The lab was not changed.")
        return True
    try:
        return _checked(open_lab, lab, name, follow, walk, as_json)
    except CannotRun as error:
        skipped = {"scenario": name, "skipped": error.words}
        terminal.say(json.dumps(skipped, indent=2) if as_json else f"SKIPPED: {error.words}")
        return True


def _checked(
    open_lab: OpenLab, lab: Lab, name: str, follow: bool, walk: bool, as_json: bool
) -> bool:
    with _exercise(open_lab, lab, name, "check") as exercise:
        look = _follow(exercise, walk) if follow or walk else exercise.look(_told(as_json))
        all_done = look.done == len(look.steps)
        if as_json:
            terminal.say(json.dumps(text.as_json(exercise, look), indent=2))
        elif not (follow or walk):
            terminal.say(text.table(exercise, look))
        if all_done and not exercise.progress.reported:
            folder = report(exercise, lab)
            if not as_json:
                terminal.say(f"Report: {os.path.relpath(folder / 'report.html')}")
        return all_done


def hint(open_lab: OpenLab, lab_file: str, name: str, stage: int = 0) -> None:
    """The next hint about the step that is next. Raises UserError for a stage that is none."""
    if stage not in range(hints.STAGES + 1):
        raise UserError(f"There is no hint {stage}.", f"--stage is 1 to {hints.STAGES}.")
    with _exercise(open_lab, load_lab(lab_file), name, "hint") as exercise:
        look = exercise.look(lambda _: False, refusals=True)
        if look.next is None:
            terminal.say(f"All {len(look.steps)} steps are done.")
            return
        terminal.say(text.hint(hints.hint(exercise, look, look.next, stage)))


def solve(open_lab: OpenLab, lab_file: str, name: str, number: str) -> None:
    """Do one step. Raises UserError and CheckFailed as `scenarios.learn.solve`."""
    with _exercise(open_lab, load_lab(lab_file), name, "solve") as exercise:
        step_of(exercise.scenario, number)
        look = exercise.look(only(number))
        before = exercise.progress.is_done(number)
        seen = solve_step(exercise, number, look)
        said = "is done already" if before else "is done"
        terminal.say(f"✓ {number}. {seen.plan.title}: it {said}.")


def catch_up(
    open_lab: OpenLab, restore: Callable[[Lab], str], lab_file: str, name: str, number: str
) -> None:
    """Do all steps before one, so that it is the next; from the checkpoint where there is one.

    `restore` restores it, and returns why it could not. Raises as `solve`, and CannotRun before
    what was typed is undone.
    """
    lab, scenario = load_lab(lab_file), discovery.get(name)
    step_of(scenario, number)
    requires.refuse(name, scenario.needs, requires.given_by(lab))
    if scenario.requires:
        _refuse(open_lab, lab, name)
    why = restore(lab)
    terminal.say(
        f"Steps that are done are kept: {why}." if why else "The lab is as it was after `inv up`."
    )
    with _exercise(open_lab, lab, name, "catch-up") as exercise:
        solve_before(
            exercise, number, lambda plan: terminal.say(f"✓ {plan.number:>3}. {plan.title}")
        )
        terminal.say(f"Next: step {number}.")


def _refuse(open_lab: OpenLab, lab: Lab, name: str) -> None:
    """Raise CannotRun where the lab lacks what an exercise needs. One that does not answer as it is
    may do so once it is restored."""
    try:
        with _exercise(open_lab, lab, name, "catch-up"):
            return
    except CannotRun:
        raise
    except SwarmrigError:
        return


# -- what they share ------------------------------------------------------------------------------


@contextmanager
def _exercise(open_lab: OpenLab, lab: Lab, name: str, verb: str) -> Iterator[Exercise]:
    scenario = discovery.get(name)
    requires.refuse(name, scenario.needs, requires.given_by(lab))
    with open_lab(lab, f"{verb} {name}") as running:
        yield exercise_on(running, scenario)


def exercise_on(running: RunningLab, scenario: Scenario) -> Exercise:
    """The exercise on a lab that is up, with what is kept of it. Raises CannotRun."""
    return Exercise(scenario, setup_on(running), running.lab.files.exercises)


def setup_on(running: RunningLab) -> Setup:
    """What judging an exercise on a lab that is up is given."""
    return Setup.of(running, running.lab.reports, lambda _: None)


def _told(as_json: bool) -> Callable[[StepPlan], bool]:
    """Every probe is tried; a person is told that it takes a while."""

    def told(plan: StepPlan) -> bool:
        if not as_json:
            terminal.say(f"  … step {plan.number}: sending packets between the tasks")
        return True

    return told


def _follow(exercise: Exercise, walk: bool) -> Look:
    """Show each change as it is seen, until all steps are done. Raises KeyboardInterrupt."""
    shown = text.Shown(exercise, walk)

    def failed(error: SwarmrigError) -> None:
        shown.say(f"  {error}")

    last: Look | None = None
    for look in watch.looks(exercise, failed):
        shown.show(look)
        last = look
    assert last is not None
    return last


def report(exercise: Exercise, lab: Lab) -> Path:
    """The report of what was typed, once all of it is done; its folder."""
    folder = store.new_folder(lab.reports, exercise.scenario.name)
    record = exercise.report(folder)
    record.verdict = runner.verdict_of(record)
    record.diagnosis = diagnosis.diagnose(record)
    write_reports(record, folder)
    exercise.progress.reported = True
    exercise.progress = exercise.kept.save(exercise.progress)
    return folder
