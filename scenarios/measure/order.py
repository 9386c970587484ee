"""In which order the drivers of a round are measured."""

from __future__ import annotations

import random
from collections.abc import Sequence


def order(names: Sequence[str], rounds: int, seed: int) -> list[list[str]]:
    """The drivers of each round: at random, and balanced.

    In as many rounds as there are drivers, each driver comes once at each place: one that came
    always first would have a quieter or a cooler machine than the others.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    found: list[list[str]] = []
    while len(found) < rounds:
        base = chance.sample(list(names), len(names))
        shifts = chance.sample(range(len(names)), len(names))
        found += [base[shift:] + base[:shift] for shift in shifts]
    return found[:rounds]
