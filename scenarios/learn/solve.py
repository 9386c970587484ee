"""Doing a step for the learner: its command is run, and its judge says whether that did it."""

from __future__ import annotations

from collections.abc import Callable

from provision.changes import journal
from provision.support.errors import CheckFailed, UserError
from scenarios.kit import driver, runner
from scenarios.kit.created import Created
from scenarios.kit.doing import begun, carry_out
from scenarios.kit.scenario import StepPlan
from scenarios.kit.setup import fill
from scenarios.kit.step import Context, Step
from scenarios.learn import aims, explain
from scenarios.learn.look import Exercise, Look, Seen, named
from scenarios.learn.mistakes.mistake import listed


def solve(exercise: Exercise, number: str, look: Look) -> Seen:
    """Do a step that is not done, and judge it as a run does.

    Raises UserError where steps that it needs are not done, and CheckFailed with the reason where
    the step is not done afterwards.
    """
    seen = next(one for one in look.steps if one.plan.number == number)
    plan = seen.plan
    if seen.state == "done":
        return seen
    undone = [n for n in plan.needs if not exercise.progress.is_done(n)]
    if undone:
        raise UserError(
            f"Step {number} needs step{'s' if len(undone) > 1 else ''} {listed(undone)}, which "
            f"{'are' if len(undone) > 1 else 'is'} not done.",
            f"inv solve {exercise.scenario.name} {undone[0]} does it; inv catch-up "
            f"{exercise.scenario.name} {number} does all before step {number}.",
        )
    context = look.context
    context.waits = True
    _refuse(exercise, plan, look)
    _claim(exercise, context)
    step = _done(exercise, named(plan, look.called), context)
    if step.data.state != "passed":
        found = explain.mistake(look, seen)
        raise CheckFailed(
            f"Step {number} is not done: {_reason(step)}",
            f"{found.says} Take it back first: {found.undo}" if found and found.undo else "",
        )
    marked = exercise.mark(plan, context, step.data)
    exercise.progress = exercise.kept.save(exercise.progress)
    return marked


def solve_before(exercise: Exercise, number: str, tell: Callable[[StepPlan], None]) -> None:
    """Do all steps before one that are not done, and tell of each. Raises as `solve`."""
    for plan in exercise.scenario.steps:
        if plan.number == number:
            return
        look = exercise.look(only(plan.number))
        if not exercise.progress.is_done(plan.number):
            solve(exercise, plan.number, look)
        tell(plan)


def only(number: str) -> Callable[[StepPlan], bool]:
    """Whether a probe is the step of this number."""
    return lambda plan: plan.number == number


def _refuse(exercise: Exercise, plan: StepPlan, look: Look) -> None:
    """On hosts that existed before the lab, what was there before the exercise is not removed.

    Raises UserError.
    """
    done = journal.of_lab(exercise.setup.lab)
    runner.refuse_adopted(exercise.scenario, done)
    aim = look.aims.get(plan.number)
    if not done.existing or not isinstance(aim, aims.Removal):
        return
    case = explain.case_of(look)
    world, known = case.world, exercise.progress.before or []
    services = [world.service(case.name(name)) for name in aim.services]
    before = [one.name for one in services if one and one.id in known]
    for place in aim.places:
        networks = [world.network(case.name(name), place) for name in aim.networks]
        before += [one.name for one in networks if one and one.id in known]
        before += [
            one.name
            for one in world.engines[place].containers
            if one.name in aim.containers and one.id in known
        ]
    if before:
        raise UserError(
            f"{listed(dict.fromkeys(before))} was there before the exercise was first looked at.",
            f"If you have created it, remove it yourself: {fill(plan.run, look.context.names)}",
        )


def _claim(exercise: Exercise, context: Context) -> None:
    """Write down what the step may create, as a run does, before anything is."""
    setup, scenario = exercise.setup, exercise.scenario
    done = journal.of_lab(setup.lab)
    manager = setup.ordered[0]
    if scenario.driver:
        use = driver.prepare(scenario.driver, setup.lab, setup.ordered, setup.grants, done)
        context.plugin = use
    if done.existing:
        context.created = Created(done, runner.entry_of(scenario, manager, done))


def _done(exercise: Exercise, plan: StepPlan, context: Context) -> Step:
    machines = exercise.machines_of(plan)
    step = Step(context, begun(plan, machines), machines)
    try:
        carry_out(plan, step)
    finally:
        # A fault stays until another step heals it; who typed it collects no time line.
        for held in context.held.values():
            held.watching.close()
    return step


def _reason(step: Step) -> str:
    failed = [one for one in step.data.expectations if one.passed is False]
    if step.data.reason or not failed:
        return step.data.reason
    return f"expected {failed[0].what}: {failed[0].expected!r}; seen: {failed[0].seen!r}"
