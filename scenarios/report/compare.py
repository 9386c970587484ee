"""Runs beside each other: the same evidence, round trips on one chart, the same failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from provision.support.files import write_atomic
from scenarios.record.model import Ping, Record
from scenarios.report import charts, failure, findings, pages
from scenarios.report.findings import all_pings, machine_of
from scenarios.report.text import moment


def write_comparison(records: Sequence[Record], folder: Path) -> Path:
    """Write comparison.html and comparison.md of two runs or more into `folder`, and return it.

    Only pings that crossed hosts are laid beside each other, by the machines between which they
    went: a service's name is answered on the asking host whatever the driver. Runs that have time
    lines of the same fault get failure.html and failure.md as well. Raises OSError when the folder
    cannot be written.
    """
    names = _names(records)
    failures = failure.shared(records, names)
    values = _context(records, names) | {"failures": failures}
    files = {
        f"comparison.{ending}": pages.compared(f"compare.{ending}.j2", values)
        for ending in ("html", "md")
    }
    if failures:
        shown = failure.context(failures, names, [_drivers(record) for record in records])
        for ending in ("html", "md"):
            files[f"failure.{ending}"] = pages.compared(f"failure.{ending}.j2", shown)
    for name, text in files.items():
        write_atomic(folder / name, text)
    if not failures:
        for ending in ("html", "md"):
            # Of an earlier comparison in this folder.
            (folder / f"failure.{ending}").unlink(missing_ok=True)
    return folder


def _context(records: Sequence[Record], names: Sequence[str]) -> dict[str, Any]:
    marks = [charts.mark_of(number) for number in range(len(records))]
    return {
        "runs": [pages.context(record) for record in records],
        "names": names,
        "marks": marks,
        "legend": list(zip(marks, names, strict=True)),
        "proofs": findings.recorded(*records),
        "chart": charts.rtt_chart(_series(records, names)),
        "drivers": [_drivers(record) or "unknown" for record in records],
    }


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    """What to call each run: its scenario, and of several of one scenario their labs or times."""
    ways: list[Callable[[Record], str]] = [
        lambda record: record.scenario,
        lambda record: record.lab,
        lambda record: f"{record.scenario} on {record.lab}",
        lambda record: record.started,
        lambda record: f"{record.scenario}, {moment(record.started)}",
    ]
    if len({record.scenario for record in records}) > 1:
        # A lab or a time alone would not say of which scenario it is.
        ways = [ways[0], ways[2], ways[4]]
    for way in ways:
        names = tuple(map(way, records))
        if len(set(names)) == len(names):
            return names
    return tuple(f"{record.scenario} {number}" for number, record in enumerate(records, start=1))


def _drivers(record: Record) -> str:
    """The drivers of the networks that its tasks were in, "" where none was looked at."""
    used = {task.network for task in record.topology.tasks}
    drivers = [net.driver for net in record.topology.networks if net.name in used]
    return ", ".join(dict.fromkeys(drivers))


def _series(records: Sequence[Record], names: Sequence[str]) -> list[charts.Series]:
    """For each pair of machines the pings of the runs, one beneath the other."""
    found = [_crossing(record) for record in records]
    series: list[charts.Series] = []
    for pair in dict.fromkeys(pair for run in found for pair in run):
        for row in zip_longest(*(run.get(pair, []) for run in found)):
            for number, ping in enumerate(row):
                if ping:
                    series.append(charts.series_of(ping, charts.mark_of(number), names[number]))
    return series


def _crossing(record: Record) -> dict[tuple[str, str], list[Ping]]:
    found: dict[tuple[str, str], list[Ping]] = {}
    for ping in all_pings(record):
        if charts.crosses(record, ping):
            pair = (ping.source_machine, machine_of(record, ping.address))
            found.setdefault(pair, []).append(ping)
    return found
