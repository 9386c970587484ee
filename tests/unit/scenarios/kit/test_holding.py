"""A fault from one step to another: made, there meanwhile, healed by a step or the clean-up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provision.faults import library
from provision.faults.fault import Fault
from provision.faults.look import Refused
from provision.faults.making import Active, Made
from scenarios.kit import holding
from scenarios.kit.doing import begun, carry_out
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Context, Step
from scenarios.kit.timeline import Line
from scenarios.record import model
from tests.unit.scenarios.kit.test_faulting import Box


class Faults:
    """Machines that can have some kinds of faults; `there` are those that they have."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.there: list[Fault] = []
        self.lasts = timedelta(hours=1)

    def resolved(self, fault: Fault) -> Fault:
        return fault.on_lab(("left", "right"))

    def make(self, fault: Fault, seconds: float) -> Made:
        if fault.kind in self.refused:
            raise Refused(f"fault {fault.kind} cannot be made.")
        self.there.append(self.resolved(fault))
        end = datetime.now(UTC) + self.lasts
        return Made("0a1b2c3d", self.there[-1], "2026-11-28T12:00:00+00:00", end.isoformat())

    def heal(self, made: Made) -> bool:
        there = made.fault in self.there
        self.there = [one for one in self.there if one != made.fault]
        return there

    def heal_like(self, fault: Fault) -> None:
        self.there = [one for one in self.there if one.words() != fault.words()]

    def listed(self) -> list[Active]:
        return [Active("0a1b2c3d", one.on, one.kind, one.words(), 9) for one in self.there]


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which time lines were begun and ended."""
    said: list[str] = []

    @contextlib.contextmanager
    def collected(_: Any, step: str, services: Any, pings: Any) -> Iterator[Line]:
        said.append(f"line of step {step} with {', '.join(services)}")
        data = model.TimeLine(started="", seconds=0, pause=0, limit=0)
        yield Line(lambda: data, {})
        said.append(f"end of step {step}")

    monkeypatch.setattr(holding, "collected", collected)
    return said


def nothing(_: Step) -> None:
    pass


class Run:
    """The steps of a scenario that breaks something, one by one."""

    def __init__(self, folder: Path, faults: Faults, *breaks: Fault) -> None:
        self.faults = faults
        self.scenario = Scenario("s", exercise="-", title="t", summary="s")
        self.scenario.step(1, "break", on="machine1", breaks=breaks, watches=["web"])(self.judge)
        self.scenario.step(2, "look", on="machine1")(self.judge)
        self.scenario.step(3, "heal", on="machine1", heals=1)(self.judge)
        boxes: Any = [Box("left"), Box("right")]
        fake: Any = faults
        self.context = Context(
            machines={"machine1": boxes[0], "machine2": boxes[1]},
            manager=boxes[0],
            folder=folder,
            names={},
            tell=lambda _: None,
            topology=model.Topology(hosts=[]),
            image="i",
            faults=fake,
        )

    def judge(self, step: Step) -> None:
        pass

    def step(self, number: int, acted: bool = True) -> model.Step:
        plan = self.scenario.steps[number - 1]
        machines = [self.context.machines["machine1"]]
        data = begun(plan, machines)
        carry_out(plan, Step(self.context, data, machines, acted=acted))
        return data


def test_it_is_there_until_the_step_that_heals_it_and_so_is_its_time_line(
    tmp_path: Path, lines: list[str]
) -> None:
    run = Run(tmp_path, Faults(), library.freeze_daemon("machine2"))
    assert [run.step(number).state for number in (1, 2)] == ["passed", "passed"]
    assert [one.kind for one in run.faults.there] == ["freeze-daemon"]
    assert lines == ["line of step 1 with web"]
    assert run.step(3).state == "passed"
    assert run.faults.there == []
    assert lines[1:] == ["end of step 1"]
    (record,) = run.context.faults_made
    assert (record.step, record.healed, bool(record.end)) == ("1", "step", True)


def test_of_several_faults_the_first_is_made_that_the_machines_can_have(tmp_path: Path) -> None:
    both = (library.power_off("machine2"), library.partition("machine2"))
    run = Run(tmp_path, Faults("power-off"), *both)
    assert run.step(1).expectations[0].what.endswith("no packet passes between right and left")
    assert [one.kind for one in run.faults.there] == ["partition"]
    none = Run(tmp_path, Faults("power-off", "partition"), *both).step(1)
    assert none.state == "error"
    assert none.reason == "fault power-off cannot be made. fault partition cannot be made."


def test_what_no_step_heals_the_clean_up_does(tmp_path: Path, lines: list[str]) -> None:
    run = Run(tmp_path, Faults(), library.freeze_daemon("machine2"))
    run.step(1)
    holding.end_all(run.context)
    assert run.faults.there == []
    assert lines[-1] == "end of step 1"
    holding.end_all(run.context)
    assert [one.healed for one in run.context.faults_made] == ["step"]


def test_a_fault_that_was_over_before_the_step_that_heals_it_is_its_error(tmp_path: Path) -> None:
    run = Run(tmp_path, Faults(), library.freeze_daemon("machine2"))
    run.step(1)
    run.faults.there.clear()
    healed = run.step(3)
    assert healed.state == "error"
    assert "the fault of step 1 was over before this step" in healed.reason
    run.faults.lasts = timedelta(seconds=-1)
    run.step(1)
    assert "was over before this step" in run.step(3).reason


def test_by_hand_it_is_judged_by_what_the_machines_have(tmp_path: Path, lines: list[str]) -> None:
    run = Run(tmp_path, Faults(), library.partition("machine2"))
    assert run.step(1, acted=False).state == "failed"
    run.faults.there.append(library.partition("right", "left"))
    assert run.step(1, acted=False).state == "passed"
    assert run.step(3, acted=False).state == "failed"
    # `inv solve` of the healing step heals what another command has made.
    assert run.step(3).state == "passed"
    assert lines == []


def test_the_exercise_prints_the_verbs_and_refuses_to_heal_what_breaks_nothing() -> None:
    made = Scenario("s", exercise="-", title="t", summary="s")
    both = [library.power_off("machine2"), library.partition("machine2")]
    made.step(1, "break", on="machine1", breaks=both, lasts=300, book="docker node ls")(nothing)
    made.step(2, "heal", on="machine1", heals=1)(nothing)
    assert made.steps[0].book.splitlines() == [
        "inv fault.power-off machine2 --for 300",
        "inv fault.partition machine2 --for 300",
        "docker node ls",
    ]
    assert made.steps[1].book == "inv fault.heal --machine machine2"
    assert made.steps[1].undoes == ("1",)
    with pytest.raises(ValueError, match="step 3 heals step 2, which breaks nothing"):
        made.step(3, "heal", on="machine1", heals=2)


def test_engines_that_a_fault_silences_are_known_by_it() -> None:
    found = [Active("1", "a", "freeze-daemon", "frozen", 9), Active("2", "b", "mtu", "narrow", 9)]
    assert holding.silenced(found) == {"a": "frozen"}
