"""The pages of a measurement, from its record alone: measure.html and measure.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.support.files import write_atomic
from scenarios.record import measured as record
from scenarios.record.measured import Interval, Measurement, Sample
from scenarios.report import pages
from scenarios.report.text import milliseconds, shorten

_ROW = 62  # px, as in the charts of the other reports
_LABEL = 42  # characters that fit at 320 px
_NONE = "\u2013"
_STEPS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0)


@dataclass(frozen=True)
class Row:
    """A driver on the chart: each round's ratio, and the interval; places in percent."""

    y: int
    label: str
    numbers: str
    low: float
    high: float
    dots: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Chart:
    """Each round's throughput as a share of the first driver's in the same round."""

    height: int
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    one: float  # the place of the first driver
    description: str


@dataclass(frozen=True)
class Figures:
    """A driver's own values as text."""

    driver: str
    throughput: str
    rtt: str
    loaded_rtt: str
    cpu: str
    retransmits: str


def write_pages(measured: Measurement, folder: Path) -> Path:
    """Write measure.json, measure.html and measure.md into `folder`, and return it.

    The same record gives the same bytes. Raises OSError when the folder cannot be written.
    """
    values = context(measured)
    html = pages.compared("measure.html.j2", values)
    text = pages.compared("measure.md.j2", values)
    record.write(measured, folder)
    write_atomic(folder / "measure.html", html)
    write_atomic(folder / "measure.md", text)
    return folder


def context(measured: Measurement) -> dict[str, Any]:
    results = measured.results
    return {
        "m": measured,
        "pairs": results.pairs if results else [],
        "ratios": [_ratio_row(pair) for pair in results.pairs] if results else [],
        "figures": figures(measured),
        "chart": chart(measured),
        "rounds": _rounds(measured),
        "first": measured.ways[0].name if measured.ways else "",
    }


def figures(measured: Measurement) -> list[Figures]:
    """Each driver's own values; none of emulated machines, where they mean nothing."""
    if measured.emulated or not measured.results:
        return []
    return [
        Figures(
            driver=one.driver,
            throughput=between(one.bits_per_second, rate),
            rtt=between(one.rtt_ms, _ms) if one.rtt_ms else "a round without a reply",
            loaded_rtt=between(one.loaded_rtt_ms, _ms),
            cpu=between(one.cpu_seconds_per_gigabit, _seconds),
            retransmits=between(one.retransmits_per_gigabit, _number),
        )
        for one in measured.results.drivers
    ]


def between(value: Interval, text: Callable[[float], str]) -> str:
    """A median with its interval: "4.2 Gbit/s (3.9 to 4.4)"."""
    median, low, high = map(text, (value.median, value.low, value.high))
    unit = median.rpartition(" ")[2]
    if low.endswith(f" {unit}") and high.endswith(f" {unit}"):
        low, high = low.removesuffix(f" {unit}"), high.removesuffix(f" {unit}")
    return f"{median} ({low} to {high})"


def rate(bits: float) -> str:
    """Bits in a second as a person would say it: "4.20 Gbit/s", "47.8 Mbit/s"."""
    for least, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s")):
        if bits >= least:
            return f"{bits / least:#.3g} {unit}"
    return f"{bits / 1000:#.3g} kbit/s"


def _ms(value: float) -> str:
    return f"{milliseconds(value)} ms"


def _seconds(value: float) -> str:
    return f"{value:.3g} s"


def _number(value: float) -> str:
    return f"{value:.3g}"


def percent(ratio: Interval) -> str:
    return between(ratio, lambda value: f"{100 * value:.4g} %")


def _ratio_row(pair: record.Comparison) -> dict[str, str]:
    return {
        "driver": pair.driver,
        "throughput": percent(pair.bits_per_second),
        "rtt": percent(pair.rtt) if pair.rtt else _NONE,
        "cpu": percent(pair.cpu_seconds_per_gigabit) if pair.cpu_seconds_per_gigabit else _NONE,
    }


def _rounds(measured: Measurement) -> list[tuple[int, list[tuple[str, str]]]]:
    """Each round's drivers in their order, with what each has carried."""
    found = []
    for number, names in enumerate(measured.order, start=1):
        here = _by_driver(measured, number)
        first = here[measured.ways[0].name].bits_per_second
        shown = [
            (
                name,
                f"{100 * here[name].bits_per_second / first:.3g} %"
                if measured.emulated
                else rate(here[name].bits_per_second),
            )
            for name in names
        ]
        found.append((number, shown))
    return found


def _by_driver(measured: Measurement, number: int) -> dict[str, Sample]:
    return {sample.driver: sample for sample in measured.samples if sample.round == number}


def chart(measured: Measurement) -> Chart | None:
    """Lay out the chart; None with one driver, and without results."""
    if not measured.results or not measured.results.pairs:
        return None
    first = measured.ways[0].name
    rounds = [_by_driver(measured, number) for number in range(1, measured.rounds + 1)]
    shares = {
        pair.driver: [
            one[pair.driver].bits_per_second / one[first].bits_per_second for one in rounds
        ]
        for pair in measured.results.pairs
    }
    most = max(1.0, *(max(values) for values in shares.values()))
    step = next((step for step in _STEPS if most / step <= 6), most / 6)
    ticks = [number * step for number in range(int(most / step) + 2)]

    def x(share: float) -> float:
        return round(4 + 89 * share / ticks[-1], 2)

    rows = tuple(
        Row(
            y=index * _ROW,
            label=shorten(pair.driver, _LABEL),
            numbers=f"{percent(pair.bits_per_second)} of {first}",
            low=x(pair.bits_per_second.low),
            high=x(pair.bits_per_second.high),
            dots=tuple(
                (x(share), f"round {number}: {100 * share:.3g} %")
                for number, share in enumerate(shares[pair.driver], start=1)
            ),
        )
        for index, pair in enumerate(measured.results.pairs)
    )
    return Chart(
        height=len(rows) * _ROW + 26,
        rows=rows,
        ticks=tuple((x(tick), f"{100 * tick:g}") for tick in ticks),
        one=x(1),
        description="; ".join(f"{row.label}: {row.numbers}" for row in rows) + ".",
    )
