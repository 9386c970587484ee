"""Positions for the two charts, in percent of their width, so that text keeps its size on a phone.

Drawn by hand in the templates: pygal, the library that came nearest, writes today's date and web
addresses into its output, needs a script to show values, and takes fixed colours only, so its
picture cannot follow the reader's dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.record.model import Ping, Record, Step
from scenarios.report.findings import all_pings, machine_of, replies
from scenarios.report.text import instant, milliseconds, shorten

_ROW = 62  # px: a line of label, a line of numbers, the dots
_LEAST = 0.001  # ms: ping prints no less, and a logarithm needs more than zero
_LABEL = 42  # characters that fit at 320 px

Mark = Literal["crossing", "local", "run0", "run1", "run2", "run3"]
_MARKS: tuple[Mark, ...] = ("run0", "run1", "run2", "run3")


@dataclass(frozen=True)
class Series:
    """The round-trip times of one ping, and how to draw and name them."""

    label: str
    rtts_ms: tuple[float, ...]
    numbers: str
    lost: int
    mark: Mark


@dataclass(frozen=True)
class Dot:
    """A reply: its place on the axis (percent) and what a pointer over it tells."""

    x: float
    title: str
    first: bool


@dataclass(frozen=True)
class Row:
    """One ping: `y` is its top in px."""

    y: int
    label: str
    numbers: str
    lost: int
    mark: Mark
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Tick:
    """A line of the axis (percent); `label` is empty between the decades."""

    x: float
    label: str


@dataclass(frozen=True)
class RttChart:
    """Replies as dots on a logarithmic axis in ms: a first reply is often 30 times the others."""

    height: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    description: str


def rtt_chart(series: Sequence[Series]) -> RttChart | None:
    """Lay out a chart; None when there was no ping at all."""
    if not series:
        return None
    values = [max(rtt, _LEAST) for one in series for rtt in one.rtts_ms] or [1.0]
    steps = _axis(min(values), max(values))
    low, high = math.log10(steps[0]), math.log10(steps[-1])

    def x(rtt: float) -> float:
        return round(4 + 89 * (math.log10(max(rtt, _LEAST)) - low) / (high - low), 2)

    # All of them where they fit on a phone, else those of the decades.
    ticks = [
        Tick(x(step), f"{step:g}" if len(steps) <= 7 or f"{step:e}".startswith("1") else "")
        for step in steps
    ]
    rows = tuple(
        Row(
            y=index * _ROW,
            label=shorten(one.label, _LABEL),
            numbers=one.numbers,
            lost=one.lost,
            mark=one.mark,
            dots=tuple(
                Dot(x(rtt), f"reply {number}: {milliseconds(rtt)} ms", number == 1)
                for number, rtt in enumerate(one.rtts_ms, 1)
            ),
        )
        for index, one in enumerate(series)
    )
    words = "; ".join(f"{one.label}: {one.numbers}" for one in series) + "."
    return RttChart(len(rows) * _ROW + 26, rows, tuple(ticks), words)


def _axis(least: float, most: float) -> list[float]:
    """Steps of 1, 2 and 5 from the last that is at most `least` to the first at least `most`."""
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 2)
    steps = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    first = max(index for index, step in enumerate(steps) if step <= least)
    last = min(index for index, step in enumerate(steps) if step >= most)
    return steps[first : max(last, first + 1) + 1]


def run_series(record: Record) -> list[Series]:
    """Every ping of a run, those that crossed hosts first: they are what the chart is for."""
    series = [
        series_of(ping, "crossing" if crosses(record, ping) else "local")
        for ping in all_pings(record)
    ]
    return sorted(series, key=lambda one: one.mark != "crossing")


def series_of(ping: Ping, mark: Mark, whose: str = "") -> Series:
    """One ping for a chart; `whose` run it is goes before it where two are shown."""
    # A full-size ping goes where a small one went before.
    size = f", {ping.size} B" if ping.size else ""
    label = f"{ping.source_machine} → {ping.target}{size}"
    return Series(
        label=f"{whose}: {label}" if whose else label,
        rtts_ms=tuple(ping.rtts_ms),
        numbers=replies(ping),
        lost=ping.sent - ping.received,
        mark=mark,
    )


def mark_of(run: int) -> Mark:
    """The mark of a run among several: colour and shape. A fifth run has the first's again."""
    return _MARKS[run % len(_MARKS)]


def crosses(record: Record, ping: Ping) -> bool:
    """Whether an answer to it must have come from another host (never so for a service's name)."""
    there = machine_of(record, ping.address)
    return ping.kind != "name" and there not in ("", ping.source_machine)


@dataclass(frozen=True)
class Bar:
    """A step on the time line: start and width in percent; `known` is False without a start."""

    index: int
    step: Step
    start: float
    width: float
    known: bool


def time_line(record: Record) -> tuple[Bar, ...]:
    """Every step of the run, placed by when it started and how long it took."""
    begin = instant(record.started)
    placed: list[tuple[Step, float | None]] = []
    for step in record.steps:
        at = instant(step.started)
        placed.append((step, max((at - begin).total_seconds(), 0.0) if at and begin else None))
    ends = [offset + step.seconds for step, offset in placed if offset is not None]
    whole = max([record.seconds, *ends, 0.001])
    return tuple(
        Bar(
            index,
            step,
            start=round(100 * (offset or 0.0) / whole, 2),
            width=round(100 * step.seconds / whole, 2),
            known=offset is not None and step.state != "skipped",
        )
        for index, (step, offset) in enumerate(placed, 1)
    )
