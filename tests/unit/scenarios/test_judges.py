"""Each judgement of a scenario fails when what it judges is not so, and no other does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.kit import discovery
from tests.unit.scenarios.played import PLAYED, SKIPPED, failed, play, skipped
from tests.unit.scenarios.worlds import WORLDS
from tests.unit.scenarios.worlds.broken import Broken

CASES = [(name, world) for name, worlds in WORLDS.items() for world in worlds]


def test_every_scenario_has_a_tape_and_broken_worlds() -> None:
    """One without: record it in tests/hosts/test_tape.py, or where light hosts cannot run it with
    tests/vm/tape.py, and say in worlds/ how it can fail."""
    for name in discovery.found():
        assert name in PLAYED, f"scenario {name} has no tape"
        assert PLAYED[name].tape.is_file(), f"scenario {name} has no tape"
        assert any(PLAYED[other].tape == PLAYED[name].tape for other in WORLDS), name


@pytest.mark.parametrize(
    "name",
    [
        "overlay",
        "spread",
        "weave",
        "bridge",
        "attachable",
        "none",
        "host",
        "macvlan",
        "ipv6",
        "dnsrr",
        "slow",
        "wrong_clock",
        "vip",
        "publish",
        "networks",
        "encrypted",
        "ipvlan",
    ],
)
def test_a_recorded_run_is_judged_as_it_was(name: str, tmp_path: Path) -> None:
    again = play(PLAYED[name], tmp_path)
    kept = PLAYED[name].record()
    assert [s.expectations for s in again.steps] == [s.expectations for s in kept.steps]


@pytest.mark.parametrize("name", PLAYED)
def test_what_is_so_is_passed(name: str, tmp_path: Path) -> None:
    record = play(PLAYED[name], tmp_path)
    assert (failed(record), record.verdict) == ([], "passed")
    assert skipped(record) == SKIPPED.get(name, set())


@pytest.mark.parametrize(
    ("name", "world"), CASES, ids=[f"{name}: {world.name}" for name, world in CASES]
)
def test_what_is_not_so_is_not_passed(name: str, world: Broken, tmp_path: Path) -> None:
    broken: list[int] = []
    record = play(PLAYED[name], tmp_path, change=lambda tape: broken.append(world.apply(tape)))
    assert broken[0] > 0, "the tape has no such answer"
    wrong = failed(record)
    for pattern in world.fails:
        assert any(re.match(pattern, what) for what in wrong), wrong
    others = [what for what in wrong if not world.expects(what)]
    assert [what for what in others if what.startswith(f"{world.step}:")] == []


@pytest.mark.parametrize("name", WORLDS)
def test_every_expectation_is_broken_by_some_world(name: str, tmp_path: Path) -> None:
    played = play(PLAYED[name], tmp_path)
    whats = {f"{s.number}: {e.what}" for s in played.steps for e in s.expectations}
    # What is encrypted is judged in another way; the rest of its run is that of the same tape.
    tape = PLAYED[name].tape
    worlds = [w for other, ws in WORLDS.items() if PLAYED[other].tape == tape for w in ws]
    assert {what for what in whats if not any(world.expects(what) for world in worlds)} == set()
