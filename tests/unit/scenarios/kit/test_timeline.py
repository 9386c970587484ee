"""A step's time line: asked by the exercise's names, waited for, and recorded with its faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provision.faults import library
from scenarios.evidence.lanes import Lanes
from scenarios.kit import timeline
from scenarios.kit.step import Context, Step, StepFailed
from scenarios.kit.timeline import Line
from scenarios.record import model
from tests.unit.scenarios.kit.test_faulting import Box, Faults

PLACES = {"machine1": "left", "machine2": "right"}


@pytest.fixture
def lanes() -> Lanes:
    made = Lanes("7", 0.5, 5)
    made.saw("node", "right", "ready", 1, 2)
    return made


@pytest.fixture
def line(lanes: Lanes) -> Line:
    return Line(lanes.line, PLACES, lanes)


def test_machines_are_asked_for_by_their_places_or_names(line: Line) -> None:
    assert line.states("node", "machine2") == line.states("node", "right") == ["ready"]


def test_a_ping_is_asked_for_by_its_pair(line: Line, lanes: Lanes) -> None:
    lanes.saw("ping", "task1 to address2", "lost", 1, 2)
    assert line.first("ping", ("task1", "address2"), "lost")
    (gap,) = line.gaps("task1", "address2")
    assert gap.lost == 1


def test_who_waits_gets_the_event_when_a_look_sees_it(line: Line, lanes: Lanes) -> None:
    threading.Timer(0.05, lanes.saw, ("node", "right", "down", 3, 4)).start()
    down = line.wait("node", "machine2", "down", patience=600)
    assert (down.earliest, down.latest) == (1, 4)


def test_what_does_not_come_about_is_told_with_what_was_seen_instead(line: Line) -> None:
    with pytest.raises(StepFailed) as failed:
        line.wait("node", "machine2", "down", patience=0.01)
    said = "node right was not seen down within 0 s; seen: node right ready"
    assert str(failed.value) == said


def test_what_was_never_seen_is_told_too(line: Line) -> None:
    with pytest.raises(StepFailed, match="task web on left was never seen running; seen: nothing"):
        line.get("task", "web", "running", on="machine1")
    with pytest.raises(StepFailed, match="fault partition was never seen made"):
        line.fault("partition")


def test_a_line_that_has_ended_answers_as_before_and_does_not_wait(
    line: Line, lanes: Lanes
) -> None:
    ended = line.end()
    lanes.saw("node", "right", "down", 3, 4)
    assert line.data == ended
    with pytest.raises(StepFailed, match="never seen down"):
        line.wait("node", "machine2", "down", patience=600)


# -- of a step ------------------------------------------------------------------------------------


class _Collector:
    """Looks at nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def collecting(step: Step) -> Iterator[Line]:
    with step.timeline("web") as line:
        yield line


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.setattr(timeline, "Collector", _Collector)
    boxes: Any = [Box("left"), Box("right")]
    faults: Any = Faults()
    context = Context(
        machines={"machine1": boxes[0], "machine2": boxes[1]},
        manager=boxes[0],
        folder=tmp_path,
        names={},
        tell=lambda _: None,
        topology=model.Topology(hosts=[]),
        image="i",
        faults=faults,
    )
    data = model.Step(number="7", title="t", why="", machines=["left"], state="passed")
    return Step(context, data, [boxes[0]])


def test_a_fault_is_on_the_line_with_the_ranges_of_its_making_and_healing(step: Step) -> None:
    with collecting(step) as line, step.fault(library.freeze_daemon("machine2")):
        made = line.fault("freeze-daemon")
        assert made.earliest is not None
        assert 0 <= made.earliest <= made.latest
    (kept,) = step.context.timelines
    assert kept.step == "7"
    healed = step.line.fault("freeze-daemon", "healed")
    assert step.line.states("fault") == ["made", "healed"]
    assert made.order(healed) == "before"
    assert kept.lanes[0].about == "Docker's daemon on right is frozen"
    assert step.context.collecting == []


def test_a_fault_that_was_made_before_is_there_from_the_begin(step: Step) -> None:
    with step.fault(library.freeze_daemon("machine2")), collecting(step):
        pass
    assert step.line.states("fault") == ["made"]
    assert step.line.fault("freeze-daemon").earliest is None


def test_two_faults_of_one_kind_have_a_lane_each(step: Step) -> None:
    with collecting(step):
        for _ in range(2):
            with step.fault(library.partition("machine1", "machine2")):
                pass
    assert [lane.id for lane in step.context.timelines[0].lanes] == ["1", "2"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_line_is_recorded_however_its_block_ends(step: Step, error: type[BaseException]) -> None:
    with pytest.raises(error), collecting(step):
        raise error
    assert len(step.context.timelines) == 1


def test_without_a_line_the_step_cannot_be_judged(step: Step) -> None:
    with pytest.raises(StepFailed, match="no time line was collected before this step"):
        _ = step.line
