"""A fault of a step: recorded, healed at the block's end, and no longer taken for there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.faults import library
from provision.faults.fault import Fault
from provision.faults.making import Active, Made
from scenarios.kit import faulting
from scenarios.kit.step import Context, Step, StepFailed
from scenarios.record import model


class Box:
    def __init__(self, name: str) -> None:
        self.name = name


class Faults:
    """Makes faults, and heals them; `there` says whether they are still there then."""

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.done: list[str] = []

    def make(self, fault: Fault, seconds: float) -> Made:
        self.done.append(f"make on {', '.join(fault.places())} for {seconds:g}")
        return Made("0a1b2c3d", fault, "2026-11-28T12:00:00.000+00:00", "2026-11-28T12:01:00+00:00")

    def heal(self, made: Made) -> bool:
        self.done.append("heal")
        return self.there


def step(folder: Path, faults: Any) -> Step:
    boxes: Any = [Box("left"), Box("right")]
    context = Context(
        machines={"machine1": boxes[0], "machine2": boxes[1]},
        manager=boxes[0],
        folder=folder,
        names={},
        tell=lambda _: None,
        topology=model.Topology(hosts=[]),
        image="i",
        faults=faults,
    )
    data = model.Step(number="7", title="t", why="", machines=["left"], state="passed")
    return Step(context, data, [boxes[0]])


def test_a_fault_is_made_on_the_machines_of_its_places_and_recorded(tmp_path: Path) -> None:
    faults = Faults()
    one = step(tmp_path, faults)
    with one.fault(library.partition("machine1", "machine2"), seconds=5):
        assert faults.done == ["make on left, right for 5"]
    assert faults.done[1:] == ["heal"]
    (record,) = one.context.faults_made
    assert (record.kind, record.machines, record.step) == ("partition", ["left", "right"], "7")
    assert record.what == "no packet passes between left and right"
    assert record.begin == "2026-11-28T12:00:00.000+00:00"
    assert record.end
    assert record.healed == "step"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_it_is_healed_however_the_block_ends(error: type[BaseException], tmp_path: Path) -> None:
    faults = Faults()
    one = step(tmp_path, faults)
    with pytest.raises(error), one.fault(library.freeze_daemon("machine2")):
        raise error
    assert faults.done[-1] == "heal"


def test_a_block_that_outlives_its_fault_is_an_error(tmp_path: Path) -> None:
    one = step(tmp_path, Faults(there=False))
    with (
        pytest.raises(StepFailed, match="fault freeze-daemon healed after 9 s, before"),
        one.fault(library.freeze_daemon("machine2"), seconds=9),
    ):
        pass
    assert [record.healed for record in one.context.faults_made] == ["timer"]


def test_a_step_that_is_only_judged_makes_none(tmp_path: Path) -> None:
    one = step(tmp_path, None)
    with pytest.raises(StepFailed, match="only judged"), one.fault(library.clock("machine1")):
        pass


def test_a_run_notes_the_faults_that_the_machines_have_by_then(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "faults.json")
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    before = {"id": "x", "kind": "mtu", "end": end}
    journal.begin(Change("machine1", "fault", "packets are lost", ("x",)), before)
    there = [Active("x", name, "mtu", "packets are lost", 60) for name in ("machine1", "machine2")]
    faults: Any = SimpleNamespace(journal=journal, listed=lambda: there)
    assert faulting.notes(faults) == ["There was a fault when this run began: packets are lost."]
    # The machine was restarted meanwhile.
    there.clear()
    assert faulting.notes(faults) == []
