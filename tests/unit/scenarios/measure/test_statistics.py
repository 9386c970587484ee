"""A difference is shown where there is one, and none where there is none."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scenarios.measure.order import order
from scenarios.measure.results import results
from scenarios.measure.statistics import LEAST_ROUNDS, interval, ratios
from scenarios.record.measured import Comparison, Measurement, Sample

# 60 rounds of host, host and overlay on light hosts, on a machine that was busy with other tests:
# SWARMRIG_RECORD=1 pytest tests/hosts/test_measure.py -k record
RECORDED = Measurement.model_validate_json(
    (Path(__file__).parent / "recorded.json").read_text(encoding="utf-8")
)
ROUNDS = 10


def drawn(number: int, one: str, other: str) -> Comparison:
    """What a measurement says that had ten of the recorded rounds, `other` against `one`."""
    chance = random.Random(number)  # noqa: S311 - a sample, not a secret
    rounds = chance.sample(range(1, RECORDED.rounds + 1), ROUNDS)
    names = [one, other]

    def of(name: str) -> list[Sample]:
        found = {s.round: s for s in RECORDED.samples if s.driver == name}
        return [
            found[at].model_copy(update={"round": new}) for new, at in enumerate(rounds, start=1)
        ]

    part = RECORDED.model_copy(
        update={
            "rounds": ROUNDS,
            "seed": number,
            "ways": [way for name in names for way in RECORDED.ways if way.name == name],
            "samples": [sample for name in names for sample in of(name)],
        }
    )
    (pair,) = results(part).pairs
    return pair


def test_of_two_that_are_one_no_difference_is_shown_at_least_95_times_of_100() -> None:
    said = [drawn(number, "host", "host (2)").verdict for number in range(100)]
    assert said.count("no difference shown") >= 95


def test_nor_in_round_trips_and_cpu_time() -> None:
    pairs = [drawn(number, "host", "host (2)") for number in range(100)]
    for found in ([p.rtt for p in pairs], [p.cpu_seconds_per_gigabit for p in pairs]):
        assert sum(one is not None and one.low <= 1 <= one.high for one in found) >= 95


def test_a_difference_that_is_there_is_shown() -> None:
    pairs = [drawn(number, "host", "overlay") for number in range(100)]
    assert [pair.verdict for pair in pairs].count("slower") >= 90
    assert "faster" not in {pair.verdict for pair in pairs}
    for pair in pairs:
        assert pair.bits_per_second.low <= pair.bits_per_second.median <= pair.bits_per_second.high


def test_what_slows_down_a_whole_round_is_no_difference() -> None:
    """Rounds that differ tenfold, and in each of them one driver has a tenth less."""
    rounds = [1.0, 10.0, 3.0, 0.5, 7.0, 2.0, 5.0, 0.2]
    found = interval(ratios([0.9 * value for value in rounds], rounds), seed=1)
    assert (found.low, found.median, found.high) == pytest.approx((0.9, 0.9, 0.9))


def test_an_interval_is_the_same_for_the_same_seed_and_holds_the_median() -> None:
    values = [float(number**2) for number in range(12)]
    assert interval(values, 7) == interval(values, 7)
    found = interval(values, 7)
    assert values[0] <= found.low < found.median < found.high <= values[-1]


def test_too_few_rounds_have_no_interval() -> None:
    with pytest.raises(ValueError, match=f"an interval needs {LEAST_ROUNDS}"):
        interval([1.0] * (LEAST_ROUNDS - 1), seed=1)


def test_in_as_many_rounds_as_drivers_each_comes_once_at_each_place() -> None:
    names = ["overlay", "bridge", "host", "weave"]
    rounds = order(names, 9, seed=3)
    assert len(rounds) == 9
    assert all(sorted(found) == sorted(names) for found in rounds)
    for block in (rounds[:4], rounds[4:8]):
        for place in range(4):
            assert sorted(found[place] for found in block) == sorted(names)
    assert order(names, 9, seed=3) == rounds
    assert order(names, 9, seed=4) != rounds
