"""Medians with bootstrap intervals, and whether a difference shows.

Rounds are resampled with replacement, the median of each resample is taken, and the interval is
what the middle 99 of a hundred of them cover (the percentile bootstrap: Efron and Tibshirani, An
Introduction to the Bootstrap, chapter 13). Two drivers are compared by their ratio within each
round: what slows down a whole round, such as another program, slows down both.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median

from scenarios.record.measured import Interval

LEVEL = 0.99
# With fewer rounds the interval of a median leaves out more than one case in a hundred even where
# it reaches from the least value to the greatest: 2 / 2**7 for seven.
LEAST_ROUNDS = 8
_RESAMPLES = 2000


def interval(values: Sequence[float], seed: int) -> Interval:
    """The median of the values and its interval; the same for the same seed.

    Raises ValueError for fewer than LEAST_ROUNDS values.
    """
    if len(values) < LEAST_ROUNDS:
        raise ValueError(f"{len(values)} values: an interval needs {LEAST_ROUNDS}")
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    # As many resamples lie beyond each end; rounded down, so that the interval is never too short.
    beyond = int(_RESAMPLES * (1 - LEVEL) / 2)
    return Interval(median=median(values), low=medians[beyond], high=medians[-1 - beyond])


def ratios(values: Sequence[float], against: Sequence[float]) -> list[float]:
    """Each round's value over the same round's value of another driver."""
    return [one / other for one, other in zip(values, against, strict=True)]
