"""What a run makes of errors: each is its step's, every report is written, others' things stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from provision.changes.change import Change
from provision.changes.journal import of_lab
from provision.lab.state import LabState
from provision.support.errors import MachineError, UserError
from provision.swarm import left_behind
from scenarios.checks import diagnosis
from scenarios.kit import cleanup, runner
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup, context_of, data_path_port
from scenarios.kit.step import Step
from scenarios.record import model, store
from scenarios.report.write import write_reports

INFO = {
    "Name": "same-name",
    "ServerVersion": "20.10",
    "Swarm": {"NodeID": "w2k5u0l7s4hq9yd1m3bn8txrc", "Cluster": {"DataPathPort": 7777}},
}


class Box:
    """A machine with an engine that has nothing, or the services that are given."""

    def __init__(self, name: str, services: tuple[str, ...] = ()) -> None:
        self.name = name
        self.address = f"10.0.0.{name[-1]}"
        self.plan = SimpleNamespace(role="manager" if name == "machine1" else "worker")
        there = [
            SimpleNamespace(
                name=one,
                id=f"id-{one}",
                attrs={"CreatedAt": "2026-11-25T12:00:00.123456789Z"},
                remove=partial(self.remove, one),
            )
            for one in services
        ]
        self.removed: list[str] = []
        self.docker = SimpleNamespace(
            info=lambda: INFO,
            version=lambda: {"ApiVersion": "1.41"},
            services=SimpleNamespace(list=lambda: there),
            networks=SimpleNamespace(list=list),
            containers=SimpleNamespace(list=lambda **_: []),
        )

    def remove(self, service: str) -> None:
        self.removed.append(service)


def nothing(_: Step) -> None:
    """A step that judges nothing."""


def setup(folder: Path, *, provider: str = "libvirt", services: tuple[str, ...] = ()) -> Setup:
    boxes: dict[str, Any] = {name: Box(name, services) for name in ("machine1", "machine2")}
    files = LabState(folder / "state")
    lab: Any = SimpleNamespace(
        name="t", provider=provider, state=files.folder, files=files, weave=None
    )
    lab.state.mkdir(exist_ok=True)
    return Setup(lab, boxes, "image", provider, folder / "report", lambda _: None)


def scenario(body: Callable[[Step], None]) -> Scenario:
    made = Scenario("s", exercise="-", title="t", summary="s", services=("web",))
    made.step(1, "It breaks", on="machine1")(body)
    made.step(2, "It needs the first", on="machine1", needs=[1])(nothing)

    @made.step(3, "It needs nothing", on="machine1")
    def passes(step: Step) -> None:
        step.expect("all is well", expected=1, seen=1)

    return made


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (paramiko.SSHException("Channel closed."), "SSHException: Channel closed."),
        (EOFError(), "EOFError"),
        (KeyError("Swarm"), "KeyError: 'Swarm'"),
        (ValueError("no address"), "ValueError: no address"),
        (MachineError("machine1: no answer"), "machine1: no answer"),
    ],
)
def test_any_exception_is_its_steps_error_and_the_run_continues(
    tmp_path: Path, error: Exception, reason: str
) -> None:
    def breaks(step: Step) -> None:
        raise error

    given = setup(tmp_path)
    record = runner.run(scenario(breaks), given)
    assert [(s.number, s.state) for s in record.steps] == [
        ("1", "error"),
        ("2", "skipped"),
        ("3", "passed"),
        ("0", "passed"),
    ]
    assert record.steps[0].reason == reason
    assert record.verdict == "error"
    folder = write_reports(record, given.folder)
    for name in ("report.json", "report.md", "report.html", "junit.xml"):
        assert (folder / name).stat().st_size > 100
    assert store.load(folder) == record


def test_what_a_kernel_lacks_neither_passes_nor_fails(tmp_path: Path) -> None:
    told: list[str] = []

    def lacks(step: Step) -> None:
        step.skip("it answers", "the kernel has no IPVS", expected=1, seen=0)

    given = dataclasses.replace(setup(tmp_path), tell=told.append)
    record = runner.run(scenario(lacks), given)
    assert record.steps[0].state == "passed"
    assert record.verdict == "passed"
    assert (record.count(True), record.count(False)) == (2, 0)
    assert record.skipped() == ["the kernel has no IPVS"]
    assert "skipped: it answers: the kernel has no IPVS" in "\n".join(told)


def test_a_skip_hides_no_failure_beside_it(tmp_path: Path) -> None:
    def lacks(step: Step) -> None:
        step.skip("it answers", "the kernel has no IPVS", expected=1, seen=0)
        step.expect("it is there", expected=1, seen=0)

    record = runner.run(scenario(lacks), setup(tmp_path))
    assert (record.steps[0].state, record.verdict) == ("failed", "failed")


def test_a_run_that_could_judge_nothing_has_not_passed(tmp_path: Path) -> None:
    record = runner.run(scenario(nothing), setup(tmp_path))
    for step in record.steps:
        for one in step.expectations:
            one.passed, one.skipped = None, "the kernel lacks it"
    assert runner.verdict_of(record) == "failed"


def test_nothing_is_skipped_without_a_reason(tmp_path: Path) -> None:
    record = runner.run(scenario(lambda s: s.skip("x", "", expected=1, seen=0)), setup(tmp_path))
    assert record.steps[0].state == "error"


def test_ctrl_c_inside_a_step_interrupts_the_run(tmp_path: Path) -> None:
    def interrupts(step: Step) -> None:
        raise KeyboardInterrupt

    record = runner.run(scenario(interrupts), setup(tmp_path))
    assert record.verdict == "interrupted"
    assert [step.number for step in record.steps] == ["0"]


def test_an_exception_while_preparing_is_in_the_record(tmp_path: Path) -> None:
    def restore(machines: list[Any]) -> None:
        raise EOFError

    broken = scenario(nothing)
    broken.restore = restore
    record = runner.run(broken, setup(tmp_path))
    assert record.verdict == "error"
    assert [(step.title[:7], step.state) for step in record.steps] == [
        ("Prepare", "error"),
        ("Clean u", "error"),
    ]


def test_the_swarms_own_port_and_nodes_are_what_steps_work_with(tmp_path: Path) -> None:
    seen: list[Any] = []
    runner.run(
        scenario(lambda step: seen.append((step.context.data_path_port, step.names["node2"]))),
        setup(tmp_path),
    )
    assert seen == [(7777, "w2k5u0l7s4hq9yd1m3bn8txrc")]
    assert data_path_port({"Swarm": {"Cluster": {"DataPathPort": 0}}}) == 4789
    assert data_path_port({"Swarm": {"Cluster": None}}) == 4789


# -- what is not the lab's ------------------------------------------------------------------------


def test_a_service_of_somebody_else_is_refused_and_not_removed(tmp_path: Path) -> None:
    given = setup(tmp_path, provider="hosts", services=("web", "theirs"))
    with pytest.raises(UserError, match="already has service web, not created by this lab"):
        runner.run(scenario(nothing), given)
    boxes: Any = given.machines
    assert boxes["machine1"].removed == []


def earlier_run(given: Setup, **known: dict[str, str]) -> None:
    """What an earlier run has written down before it was killed."""
    journal = of_lab(given.lab)
    change = Change("machine1", "scenario", "run scenario s", ("service web",))
    journal.note(journal.begin(change), **{"before": {}, **known})


def test_what_somebody_else_made_after_a_killed_run_is_refused_and_stays(tmp_path: Path) -> None:
    given = setup(tmp_path, provider="hosts", services=("web", "theirs"))
    earlier_run(given, after={"id-of-the-run": "service web"})
    with pytest.raises(UserError, match="already has service web, not created by this lab"):
        runner.run(scenario(nothing), given)
    boxes: Any = given.machines
    assert boxes["machine1"].removed == []


@pytest.mark.parametrize(
    ("begun", "ours"),
    [
        ("2026-11-25T12:00:00+00:00", True),
        ("2026-11-25T13:00:00.5+01:00", True),
        # It is older than the run, or was made after it had been killed.
        ("2026-11-25T12:00:02Z", False),
        ("2026-11-25T11:58:00Z", False),
    ],
)
def test_what_was_being_created_when_a_run_was_killed_is_known_by_its_time(
    tmp_path: Path, begun: str, ours: bool
) -> None:
    given = setup(tmp_path, provider="hosts", services=("web", "theirs"))
    earlier_run(given, before={"service web": begun})
    boxes: Any = given.machines
    left = left_behind.left_of([boxes["machine1"]], of_lab(given.lab).of("machine1"))
    assert left == ({"id-web": "service web"} if ours else {})


def test_a_scenario_that_changes_nodes_is_refused_in_an_adopted_swarm(tmp_path: Path) -> None:
    given = setup(tmp_path, provider="hosts")
    of_lab(given.lab).begin(Change("machine2", "swarm-adopt", "use it", ("id",)))
    changing = scenario(nothing)
    changing.restore = lambda _: None
    with pytest.raises(UserError, match="Scenario s changes the swarm's nodes"):
        runner.run(changing, given)


def test_what_a_killed_run_of_this_lab_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = setup(tmp_path, provider="hosts", services=("web", "theirs"))
    earlier_run(given, after={"id-web": "service web"})
    monkeypatch.setattr(cleanup, "wait_until", lambda *_: None)
    runner.run(scenario(nothing), given)
    boxes: Any = given.machines
    assert set(boxes["machine1"].removed) == {"web"}


def test_what_has_the_scenarios_names_but_is_not_of_the_run_is_left_and_named(
    tmp_path: Path,
) -> None:
    given = setup(tmp_path, provider="hosts")
    boxes: Any = given.machines

    def appears(_: Step) -> None:
        boxes["machine1"].docker.services = Box("machine1", ("web",)).docker.services

    record = runner.run(scenario(appears), given)
    assert record.steps[-1].expectations[-1].seen == [
        "service web (not created by a command of this run)"
    ]


# -- comparisons ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [None, "", [None, None], ["overlay", ""], {"a": None}, [["x"], [None]]]
)
def test_what_is_missing_on_both_sides_is_not_equal(value: object) -> None:
    data = model.Step(number="1", title="t", why="", machines=[], state="passed")
    box: Any = SimpleNamespace(name="machine1")
    one = Step(None, data, [box])  # type: ignore[arg-type]
    assert not one.expect("the same", expected=value, seen=value)


@pytest.mark.parametrize("value", [0, False, [], {}, "x", ["x"]])
def test_what_is_nothing_on_purpose_is_equal(value: object) -> None:
    data = model.Step(number="1", title="t", why="", machines=[], state="passed")
    box: Any = SimpleNamespace(name="machine1")
    one = Step(None, data, [box])  # type: ignore[arg-type]
    assert one.expect("the same", expected=value, seen=value)


def test_a_slow_machine_is_waited_for_longer_within_limits(tmp_path: Path) -> None:
    made = context_of(
        scenario(nothing),
        setup(tmp_path),
        model.Topology(hosts=[]),
        {"machine1": INFO, "machine2": INFO},
    )
    assert made.patience(60) == 60
    made.slowest_command = 3.0
    assert made.patience(60) == 180
    made.slowest_command = 1000.0
    assert made.patience(60) == 360


def test_diagnosis_of_an_interrupted_run_is_none(tmp_path: Path) -> None:
    def interrupts(step: Step) -> None:
        raise KeyboardInterrupt

    record = runner.run(scenario(interrupts), setup(tmp_path))
    assert diagnosis.diagnose(record) is None
