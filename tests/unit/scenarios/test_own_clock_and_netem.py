"""Judgements of what only virtual machines have, with engines whose answers are given.

Light hosts have neither a clock of their own nor netem in their kernel; tests/vm/test_failures.py
runs these scenarios as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.machine.machine import Result
from scenarios.kit.doing import begun
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Context, Step
from scenarios.record import model
from scenarios.slow import slow
from scenarios.wrong_clock import NOT_VALID, as_before, wrong_clock
from tests.unit.sample_record import ping_output

RIGHT, YEAR_BEHIND = "2026-11-28T12:00:00.123456789Z", "2025-11-28T12:00:01.5Z"


class Box:
    """A machine; `swarm` is what its engine says of its part in the swarm, `rtts` its pings."""

    def __init__(
        self, name: str, time: str = RIGHT, state: str = "active", error: str = ""
    ) -> None:
        self.name, self.address = name, f"10.0.0.{name[-1]}"
        self.plan = SimpleNamespace(role="manager" if name == "machine1" else "worker")
        self.swarm = {"LocalNodeState": state, "Error": error}
        self.info = lambda: {"SystemTime": time, "Swarm": self.swarm}
        self.node_state = "ready"
        self.docker = SimpleNamespace(info=self.info, nodes=SimpleNamespace(list=self._nodes))
        self.rtts: Callable[[str], list[float]] = lambda _: []
        self.ran: list[str] = []

    def _nodes(self) -> list[Any]:
        status = {"State": self.node_state}
        return [
            SimpleNamespace(
                attrs={"ID": f"n{number}", "Status": status, "ManagerStatus": {"Leader": True}}
            )
            for number in (1, 2)
        ]

    def run(self, command: str, timeout: float | None = None, sudo: bool = False) -> Result:
        self.ran.append(command)
        out = ping_output("x", "10.0.0.2", self.rtts(command)) if "ping" in command else ""
        return Result(self.name, command, out, "", 0, "", 0.0)


def judged(scenario: Scenario, number: str, folder: Path, *boxes: Box) -> dict[str, bool | None]:
    """What the judge of a step said, though nobody acts."""
    machines: Any = {f"machine{at}": box for at, box in enumerate(boxes, start=1)}
    names = {
        f"{what}{at}": f"{what[0]}{at}" for what in ("node", "task", "address") for at in (1, 2)
    }
    context = Context(
        machines=machines,
        manager=machines["machine1"],
        folder=folder,
        names=names,
        tell=lambda _: None,
        topology=model.Topology(hosts=[]),
        image="i",
        waits=False,
    )
    plan = next(one for one in scenario.steps if one.number == number)
    on = [machines[place] for place in plan.on]
    step = Step(context, begun(plan, on), on, acted=False)
    plan.judge(step)
    return {one.what: one.passed for one in step.data.expectations}


# -- a wrong clock --------------------------------------------------------------------------------


def test_a_clock_that_is_a_year_behind_is_seen_and_the_node_is_ready(tmp_path: Path) -> None:
    first = Box("machine1")
    wrong = judged(wrong_clock, "3", tmp_path, first, Box("machine2", YEAR_BEHIND))
    assert list(wrong.values()) == [True, True]
    right = judged(wrong_clock, "3", tmp_path, first, Box("machine2"))
    assert list(right.values()) == [False, True]
    first.node_state = "down"
    assert list(
        judged(wrong_clock, "3", tmp_path, first, Box("machine2", YEAR_BEHIND)).values()
    ) == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("state", "error", "passed"),
    [
        ("error", f"x509: certificate has expired or is {NOT_VALID}", [True, True]),
        ("error", "something else", [True, False]),
        ("active", "", [False, False]),
    ],
)
def test_a_node_that_cannot_join_says_why(
    state: str, error: str, passed: list[bool], tmp_path: Path
) -> None:
    second = Box("machine2", YEAR_BEHIND, state, error)
    seen = judged(wrong_clock, "4", tmp_path, Box("machine1"), second)
    assert list(seen.values()) == passed


def test_a_right_clock_alone_does_not_let_it_join_and_a_restart_does(tmp_path: Path) -> None:
    for state, passed in (("error", (True, False)), ("active", (False, True))):
        boxes = Box("machine1"), Box("machine2", state=state)
        seen = (judged(wrong_clock, number, tmp_path, *boxes) for number in ("6", "7"))
        assert tuple(one for step in seen for one in step.values()) == passed


def test_a_daemon_that_has_given_up_is_restarted_at_the_end() -> None:
    given_up: Any = [Box("machine1"), Box("machine2", state="error")]
    for one in given_up:
        one.docker.nodes.list = list
    as_before(given_up[1:])
    assert [one.ran for one in given_up] == [[], ["systemctl restart docker"]]


# -- a slow underlay ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("below", "above", "passed"),
    [
        (100.4, 100.6, [True, True, True]),
        (0.2, 100.6, [False, True, False]),
        (100.4, 0.3, [True, False, True]),
        (100.4, 200.9, [True, True, False]),
    ],
)
def test_what_is_late_is_late_once(
    below: float, above: float, passed: list[bool], tmp_path: Path
) -> None:
    first = Box("machine1")
    first.rtts = lambda command: [above, above + 9] if "nsenter" in command else [below, below + 9]
    assert list(judged(slow, "6", tmp_path, first, Box("machine2")).values()) == passed


def test_before_and_after_nothing_is_late(tmp_path: Path) -> None:
    first = Box("machine1")
    for rtt, passed in ((0.3, True), (100.4, False)):
        first.rtts = lambda _, rtt=rtt: [rtt] * 3  # type: ignore[misc]
        assert set(judged(slow, "9", tmp_path, first, Box("machine2")).values()) == {passed}
