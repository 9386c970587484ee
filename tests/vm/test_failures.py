"""What is broken on virtual machines: power, a clock, a kernel with netem, and the puzzles."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from provision.providers.boxes import build
from scenarios.puzzle.layers import LAYERS, SWARM
from scenarios.puzzle.puzzles import PUZZLES, Puzzle
from tests.vm.test_book import Lab
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="what is broken takes long where machines are emulated: SWARMRIG_VM=all runs it",
)


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    build.build()
    made = Lab(world, tmp_path_factory.mktemp("failures"))
    made.registry = str(made.folder / "labs")
    made.must("up")
    yield made
    made.inv("destroy")


def passed(lab: Lab, scenario: str) -> dict[str, Any]:
    """The report of a run that has passed, and has healed its fault."""
    record = lab.passed(scenario)
    assert all(one["end"] for one in record["faults"])
    return record


def test_a_machine_that_loses_its_power_loses_its_task(lab: Lab) -> None:
    record = passed(lab, "failover")
    assert [one["kind"] for one in record["faults"]] == ["power-off"]


def test_a_worker_with_a_wrong_clock_cannot_join_until_it_is_right(lab: Lab) -> None:
    record = passed(lab, "wrong_clock")
    assert [(one["kind"], one["healed"]) for one in record["faults"]] == [("clock", "step")]


def test_the_overlay_network_adds_little_to_a_slow_underlay(lab: Lab) -> None:
    record = passed(lab, "slow")
    assert [(one["kind"], one["healed"]) for one in record["faults"]] == [("delay", "step")]


def test_an_mtu_that_is_wrong_hangs_tcp_with_the_kernels_own_filter(lab: Lab) -> None:
    record = passed(lab, "narrow")
    assert [(one["kind"], one["healed"]) for one in record["faults"]] == [("mtu", "step")]


def said(lab: Lab, *verb: str) -> dict[str, Any]:
    done = lab.inv(*verb, "--json")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("puzzle", PUZZLES, ids=lambda puzzle: str(puzzle.number))
def test_a_puzzle_is_judged_and_is_repaired_by_what_its_last_hint_says(
    puzzle: Puzzle, lab: Lab
) -> None:
    assert said(lab, "puzzle", "--number", str(puzzle.number))["observed"]
    try:
        assert not said(lab, "puzzle.check")["repaired"]
        right = [
            machine
            for machine in ("machine1", "machine2", SWARM)
            if said(lab, "puzzle.answer", "-m", machine, "--layer", puzzle.layers[0])["right"]
        ]
        assert len(right) == (2 if puzzle.either else 1)
        wrong = min(set(LAYERS) - set(puzzle.layers))
        assert not said(lab, "puzzle.answer", "-m", right[0], "--layer", wrong)["right"]
        for typed in said(lab, "puzzle.hint", "--stage", "3")["commands"]:
            lab.on(typed["machine"], typed["command"])
        checked = said(lab, "puzzle.check")
        assert checked["solved"], checked
    finally:
        lab.must("puzzle.stop")
