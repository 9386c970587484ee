"""One step: how it is done, and how what goes wrong in it becomes its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.machine.machine import Machine
from provision.support.errors import SwarmrigError
from scenarios.kit import holding
from scenarios.kit.scenario import StepPlan
from scenarios.kit.setup import fill, new_step
from scenarios.kit.step import Step, StepFailed
from scenarios.record import model


def begun(plan: StepPlan, machines: Sequence[Machine]) -> model.Step:
    """The record of a step that begins, with what is written down of it."""
    data = new_step(plan.number, plan.title, machines)
    data.why, data.book = plan.why, plan.book
    return data


def carry_out(plan: StepPlan, step: Step) -> None:
    """Do the step, where it is to be done, and judge it; its record has the state and reason.

    An exception is the step's error, a failed expectation makes it fail. Ctrl-C is not caught.
    """

    def work() -> None:
        try:
            if step.acted:
                act(plan, step)
            holding.expect(plan, step)
            plan.judge(step)
        finally:
            holding.ended(plan, step)

    data = step.data
    data.state, data.reason = attempt(work)
    if data.state == "passed" and any(one.passed is False for one in data.expectations):
        data.state = "failed"


def act(plan: StepPlan, step: Step) -> None:
    """Do the step: make or heal its fault, run its command on its machines.

    Raises StepFailed where a command fails.
    """
    command = fill(plan.run, step.names)
    if plan.breaks:
        holding.make(plan, step)
    elif plan.heals:
        holding.heal(plan, step)
    if plan.do:
        plan.do(step)
    elif plan.service:
        step.run_service(command, plan.service)
    elif command:
        for machine in step.machines:
            step.run(command, on=machine)


def attempt(work: Callable[[], object]) -> tuple[model.StepState, str]:
    """Do `work`: "passed", or "error" with the reason. Ctrl-C is not caught."""
    try:
        work()
    except Exception as error:
        return "error", reason_of(error)
    return "passed", ""


def reason_of(error: Exception) -> str:
    """An error's own words; of one that is not ours, its type as well ("KeyError: 'Swarm'")."""
    if isinstance(error, (SwarmrigError, StepFailed)):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
