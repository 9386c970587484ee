"""Runs a scenario on a lab of light hosts, as the command line would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from provision.lab.model import Lab
from provision.lifecycle import running
from provision.plugins.privileges import Privilege
from scenarios.kit import runner
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.setup import Setup
from scenarios.record import model
from tests.hosts import root as roots


def play(
    scenario: Scenario,
    lab: Lab,
    folder: Path,
    told: list[str] | None = None,
    before: Callable[[StepPlan], None] | None = None,
    grants: frozenset[Privilege] = frozenset(),
) -> model.Record:
    """Run it with its report in `folder`; what the user would read is appended to `told`."""
    told = [] if told is None else told
    with running.machines_of(lab) as machines:
        setup = Setup(
            lab=lab,
            machines=machines,
            image=roots.TAG,
            provider="hosts",
            folder=folder,
            tell=told.append,
            before_step=before,
            grants=grants,
        )
        return runner.run(scenario, setup)


def failed(result: model.Record) -> set[str]:
    """The texts of the expectations that failed, without their steps' numbers."""
    return {e.what for step in result.steps for e in step.expectations if e.passed is False}


def skipped(result: model.Record) -> dict[str, str]:
    """Why expectations were skipped, by the machine of each."""
    found = (e for step in result.steps for e in step.expectations)
    return {e.machine: e.skipped for e in found if e.passed is None}
