"""How long something took, and in which order: judged by a time line, shown as ranges."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.machine.machine import Result
from scenarios.checks import failures
from scenarios.kit.step import Context, Step, StepFailed
from scenarios.kit.timeline import Line
from scenarios.record import model
from scenarios.record.model import Lane, Span


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 to 1 s"), (13, "10 to 20 s"), (20, "20 to 30 s"), (5000, "more than 1800 s")],
)
def test_a_time_is_shown_as_a_range(seconds: float, shown: str) -> None:
    assert failures.as_range(seconds) == shown


def lane(kind: Any, subject: str, *changes: tuple[str, float]) -> Lane:
    """A thing that is "ready" at first, and then comes into other states."""
    states = [("ready", 0.0), *changes]
    spans = [
        Span(state=state, after=max(0.0, at - 1) if at else None, by=at, last=at)
        for state, at in states
    ]
    return Lane(kind=kind, subject=subject, spans=spans)


def step(folder: Path, *lanes: Lane) -> Step:
    """A step of a run in which a fault was made 10 s after its time line began."""
    fault = Lane(
        kind="fault", subject="partition", spans=[Span(state="made", after=9, by=10, last=10)]
    )
    data = model.TimeLine(started="", seconds=99, pause=1, limit=5, lanes=[fault, *lanes])
    box: Any = SimpleNamespace(name="right", address="10.0.0.2")
    context = Context(
        machines={"machine2": box},
        manager=box,
        folder=folder,
        names={},
        tell=lambda _: None,
        topology=model.Topology(hosts=[]),
        image="i",
    )
    held: Any = SimpleNamespace(
        line=Line(lambda: data, {"machine2": "right"}),
        fault=SimpleNamespace(record=SimpleNamespace(kind="partition")),
    )
    context.held["3"] = held
    kept = model.Step(number="4", title="t", why="", machines=["right"], state="passed")
    return Step(context, kept, [box])


def test_what_comes_in_time_passes_and_what_comes_late_does_not(tmp_path: Path) -> None:
    for at, shown, passed in ((25.0, "10 to 20 s", True), (900.0, "600 to 1800 s", False)):
        one = step(tmp_path, lane("node", "right", ("down", at)))
        failures.expect_in_time(one, 3, "node", "machine2", "down")
        (seen,) = one.data.expectations
        assert seen.what == "node right down, so long after the fault"
        assert (seen.seen, seen.passed) == (shown, passed)


def test_an_order_passes_and_another_one_does_not(tmp_path: Path) -> None:
    for down, running, passed in ((20.0, 30.0, True), (30.5, 30.0, True), (40.0, 20.0, False)):
        one = step(
            tmp_path,
            lane("node", "right", ("down", down)),
            lane("task", "web.1", ("running", running)),
        )
        changes: list[failures.Change] = [
            ("node", "machine2", "down", ""),
            ("task", "web", "running", ""),
        ]
        failures.expect_order(one, 3, *changes)
        (seen,) = one.data.expectations
        assert seen.what == "one after the other: the fault, node right down, task web running"
        assert seen.passed is passed


def test_without_a_time_line_nothing_is_said_of_times(tmp_path: Path) -> None:
    one = step(tmp_path)
    one.context.held.clear()
    failures.expect_in_time(one, 3, "node", "machine2", "down")
    failures.expect_order(one, 3, ("node", "machine2", "down", ""))
    assert one.data.expectations == []


@pytest.mark.parametrize(("kind", "state"), [("power-off", "failed"), ("partition", "shutdown")])
def test_a_task_ends_as_its_node_did(kind: str, state: str) -> None:
    held = SimpleNamespace(fault=SimpleNamespace(record=SimpleNamespace(kind=kind)))
    step: Any = SimpleNamespace(context=SimpleNamespace(held={"3": held}))
    assert failures.end_of_task(step, 3) == state


@pytest.mark.parametrize(("code", "runs"), [(0, True), (1, False), (None, None), (255, None)])
def test_a_process_of_which_nothing_can_be_told_has_not_ended(
    code: int | None, runs: bool | None, tmp_path: Path
) -> None:
    this = step(tmp_path)
    this.context.names["pid"] = "940"
    this.context.waits = False
    this.machine.run = lambda *_, **__: Result("right", "", "", "", code, "", 0)  # type: ignore[method-assign]
    for there in (True, False):
        if runs is None:
            with pytest.raises(StepFailed, match="right: whether process 940 runs cannot be told"):
                failures.expect_process(this, "machine2", there=there)
        else:
            failures.expect_process(this, "machine2", there=there)
            assert this.data.expectations[-1].passed == (runs is there)
