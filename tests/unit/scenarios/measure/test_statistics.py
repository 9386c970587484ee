"""A difference is shown where there is one, and none where there is none."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scenarios.measure.order import order
from scenarios.measure.results import compared
from scenarios.measure.statistics import LEAST_ROUNDS, interval, ratios
from scenarios.record.measured import Comparison, Measurement

# 60 rounds of host, host and overlay on light hosts, on a machine that was busy with other tests:
# SWARMRIG_RECORD=1 pytest tests/hosts/test_measure.py -k record
RECORDED = Measurement.model_validate_json(
    (Path(__file__).parent / "recorded.json").read_text(encoding="utf-8")
)


def drawn(
    number: int, one: str, other: str, rounds: int = 10, exchange: bool = False
) -> Comparison:
    """What a measurement says that had so many of the recorded rounds, `other` against `one`.

    With `exchange` it is drawn for each round which of the two was called by which name.
    """
    chance = random.Random(number)  # noqa: S311 - a sample, not a secret
    found = {(s.round, s.driver): s for s in RECORDED.samples}
    samples = []
    for new, at in enumerate(chance.sample(range(1, RECORDED.rounds + 1), rounds), start=1):
        names = [other, one] if exchange and chance.random() < 0.5 else [one, other]
        samples += [
            found[at, name].model_copy(update={"round": new, "driver": called})
            for name, called in zip(names, (one, other), strict=True)
        ]
    part = RECORDED.model_copy(update={"seed": number, "samples": samples})
    return compared(part, other, one)


@pytest.fixture(scope="module")
def of_one() -> list[Comparison]:
    """A hundred measurements of ten rounds, of two drivers that are one."""
    return [drawn(number, "host", "host (2)", exchange=True) for number in range(100)]


def test_of_two_that_are_one_no_difference_is_shown_at_least_95_times_of_100(
    of_one: list[Comparison],
) -> None:
    assert [pair.verdict for pair in of_one].count("no difference shown") >= 95


def test_nor_in_round_trips_and_cpu_time(of_one: list[Comparison]) -> None:
    for found in ([p.rtt for p in of_one], [p.cpu_seconds_per_gigabit for p in of_one]):
        assert sum(one is not None and one.low <= 1 <= one.high for one in found) >= 95


def test_a_difference_that_is_there_is_shown() -> None:
    """The rounds differ by a factor of five, the drivers by a quarter: it takes many rounds."""
    whole = drawn(0, "host", "overlay", rounds=RECORDED.rounds)
    assert whole.verdict == "slower"
    assert whole.words.startswith("overlay carries 75")
    parts = [drawn(number, "host", "overlay", rounds=30) for number in range(40)]
    said = [part.verdict for part in parts]
    assert said.count("slower") >= 30
    assert "faster" not in said


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
