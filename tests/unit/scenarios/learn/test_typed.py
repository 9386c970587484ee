"""Recorded states of engines while exercises were typed: a step is done then, and not before.

Recorded by tests/hosts/test_typed.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provision.lab.model import Lab
from scenarios.cli.learn_text import Shown
from scenarios.kit import discovery
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup
from scenarios.learn import explain
from scenarios.learn.look import Exercise, Look
from scenarios.overlay import overlay
from scenarios.spread import spread
from tests.support.tape import Tape, played
from tests.unit.scenarios.played import TYPED, lab_of
from tests.vxlan_driver.scenario import tunnel

EXERCISES = {"overlay": overlay, "spread": spread, "weave": tunnel}


def test_every_scenario_was_typed() -> None:
    """But those that break something, which are typed in tests/hosts/test_failures.py, for a fault
    takes machines with it, and its time; and those of the atlas, each of whose steps is solved on
    real hosts (tests/hosts/test_drivers.py)."""
    others = {
        name
        for name, one in discovery.found().items()
        if not (one.atlas or any(plan.breaks for plan in one.steps))
    }
    assert set(EXERCISES) == others | {"overlay"}


class Typed:
    """An exercise as it was typed, stage by stage."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario, self.folder = scenario, folder
        self.document: dict[str, Any] = json.loads(
            (TYPED / f"{scenario.name}.json").read_text(encoding="utf-8")
        )
        self.tape = Tape.read(self.document)
        self.lab: Lab = lab_of(self.document, folder)
        self.stages: list[dict[str, Any]] = self.document["stages"]

    def exercise(self, stage: int) -> Exercise:
        """As a command finds it that is typed at this stage."""
        self.tape.enter(str(stage))
        machines = {
            one.name: played(one, self.tape, self.document["api"]) for one in self.lab.machines
        }
        setup = Setup(
            lab=self.lab,
            machines=machines,
            image=self.document["image"],
            provider="hosts",
            folder=self.folder / "reports",
            tell=lambda _: None,
        )
        return Exercise(self.scenario, setup, self.folder / "state")

    def look(self, stage: int) -> Look:
        return self.exercise(stage).look()


def done(look: Look) -> set[str]:
    return {seen.plan.number for seen in look.steps if seen.state == "done"}


@pytest.mark.parametrize("name", EXERCISES)
def test_each_step_is_done_at_its_command_and_not_before(name: str, tmp_path: Path) -> None:
    typed = Typed(EXERCISES[name], tmp_path)
    before: set[str] = set()
    for number, stage in enumerate(typed.stages):
        now = done(typed.look(number))
        assert now - before == set(stage["steps"]), stage["command"]
        before = now


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_lab_has_no_mistake_and_says_what_is_next(name: str, tmp_path: Path) -> None:
    typed = Typed(EXERCISES[name], tmp_path)
    for number in range(len(typed.stages)):
        exercise = typed.exercise(number)
        look = exercise.look()
        if look.next:
            assert explain.mistake(look, look.next) is None
            assert explain.why_not(exercise, look, look.next)


def test_what_a_step_has_made_is_not_there_before_its_command_when_looked_at_late(
    tmp_path: Path,
) -> None:
    """Somebody who looks for the first time at the end has nothing to show for it."""
    typed = Typed(overlay, tmp_path)
    assert done(typed.look(len(typed.stages) - 1)) == {"1", "2", "3", "4"}


def test_a_step_stays_done_with_its_time_and_what_was_seen(tmp_path: Path) -> None:
    typed = Typed(overlay, tmp_path)
    looks = [typed.look(number) for number in range(len(typed.stages))]
    first = next(seen for seen in looks[1].steps if seen.plan.number == "5")
    last = next(seen for seen in looks[-1].steps if seen.plan.number == "5")
    assert first.at
    assert (first.at, first.step) == (last.at, last.step)


def test_a_watch_goes_on_with_a_new_attempt_after_a_reset_elsewhere(tmp_path: Path) -> None:
    typed = Typed(overlay, tmp_path)
    watching = typed.exercise(1)
    assert {"5", "6"} <= done(watching.look())
    typed.exercise(1).kept.reset()
    assert {"5", "6"} <= done(watching.look())
    assert {"5", "6"} <= set(watching.kept.load().done)
    assert watching.kept.load().topology.hosts


def test_a_walk_explains_and_shows_what_was_checked_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = Typed(overlay, tmp_path)
    shown: Shown | None = None
    for number in range(len(typed.stages)):
        exercise = typed.exercise(number)
        shown = shown or Shown(exercise, walk=True)
        look = exercise.look()
        shown.show(look)
        shown.show(look)
    said = capsys.readouterr().out.splitlines()
    for plan in overlay.steps:
        assert sum(f"✓ {plan.number:>3}. {plan.title}  (" in line for line in said) == 1
    assert "▸   5. Create the overlay network" in said
    assert "       There is no network overlaynet1 yet." in said
    assert "       ✓ the network has the subnet given in the command" in said
    assert any(line.startswith("       - replies arrive from alpine-overlay1") for line in said)
    assert said[-1] == "All 17 steps are done."


def test_a_walk_shows_each_check_of_a_step_as_it_turns_green(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = Typed(overlay, tmp_path)
    exercise = typed.exercise(0)
    shown = Shown(exercise, walk=True)
    look = exercise.look()
    assert look.next is not None
    assert look.next.step is not None
    driver, subnet = look.next.step.expectations
    shown.show(look)
    capsys.readouterr()
    driver.passed = True
    shown.show(look)
    shown.show(look)
    said = capsys.readouterr().out
    assert said.count(f"✓ {driver.what}") == 1
    assert subnet.what not in said
    done = typed.exercise(1).look()
    shown.show(done)
    said = capsys.readouterr().out
    assert driver.what not in said
    assert said.count(f"✓ {subnet.what}") == 1


def test_the_report_of_what_was_typed_is_that_of_a_run(tmp_path: Path) -> None:
    typed = Typed(overlay, tmp_path)
    for number in range(len(typed.stages)):
        exercise = typed.exercise(number)
        exercise.look()
    record = exercise.report(tmp_path / "report")
    assert [step.number for step in record.steps] == [plan.number for plan in overlay.steps]
    assert all(e.passed is not False for step in record.steps for e in step.expectations)
    assert record.topology.networks[0].mtu == 1450
    assert [task.service for task in record.topology.tasks] == list(overlay.services)
    for step in record.steps:
        for document in step.documents:
            assert (tmp_path / "report" / document.file).is_file()


def test_the_report_of_half_an_exercise_says_what_is_not_done(tmp_path: Path) -> None:
    exercise = Typed(overlay, tmp_path).exercise(1)
    exercise.look()
    record = exercise.report(tmp_path / "report")
    skipped = [(step.number, step.reason) for step in record.steps if step.state == "skipped"]
    assert skipped[0] == ("7", "it is not done yet")
