"""What the measurements share: times of both sides of a comparison, and how they are told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Series:
    """Numbers of one kind from several runs, such as seconds."""

    name: str
    values: list[float] = field(default_factory=list)
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def told(self) -> str:
        """The median, and from the least to the most: "2.50 s (2.40-2.90)"; one value is bare."""
        if len(self.values) == 1:
            return f"{figure(self.median)} {self.unit}".strip()
        spread = f"{figure(min(self.values))}–{figure(max(self.values))}"  # noqa: RUF001
        return f"{figure(self.median)} {self.unit}".strip() + f" ({spread})"


def figure(value: float) -> str:
    """A number with three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


@dataclass
class Comparison:
    """Two ways to the same, measured in pairs: each pair by turns, in one run.

    The ratio is of the pairs, so that a machine that is slower for a while slows both sides.
    """

    title: str
    ours: Series
    theirs: Series

    def ratio(self) -> Series:
        """Ours by theirs: below 1 where ours takes less."""
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        return Series("ratio", [one / other for one, other in pairs], "")

    def told(self) -> str:
        runs = len(self.ours.values)
        rows = [self.ours, self.theirs, self.ratio()]
        width = max(len(row.name) for row in rows)
        lines = [f"  {row.name:<{width}}  {row.told()}" for row in rows]
        return "\n".join([f"{self.title}: {runs} {'run' if runs == 1 else 'runs'}", *lines])


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes on the clock."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def by_turns(
    title: str,
    ours: tuple[str, Callable[[], object]],
    theirs: tuple[str, Callable[[], object]],
    runs: int,
) -> Comparison:
    """Measure two calls `runs` times each; who goes first changes with every run."""
    comparison = Comparison(title, Series(ours[0]), Series(theirs[0]))
    sides = [(comparison.ours, ours[1]), (comparison.theirs, theirs[1])]
    for run in range(runs):
        for series, work in sides if run % 2 == 0 else reversed(sides):
            series.values.append(seconds(work))
    return comparison
