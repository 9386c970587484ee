"""Two runs side by side: the same evidence beside each other, their round trips on one chart."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Any

from provision.support.files import write_atomic
from scenarios.record.model import Ping, Record
from scenarios.report import charts, findings, pages
from scenarios.report.findings import all_pings, machine_of


def write_comparison(left: Record, right: Record, folder: Path) -> Path:
    """Write comparison.html and comparison.md into `folder`, and return it.

    Only pings that crossed hosts are laid beside each other, by the machines between which they
    went: a service's name is answered on the asking host whatever the driver. Raises OSError when
    the folder cannot be written.
    """
    values = _context(left, right)
    html = pages.compared("compare.html.j2", values)
    text = pages.compared("compare.md.j2", values)
    write_atomic(folder / "comparison.html", html)
    write_atomic(folder / "comparison.md", text)
    return folder


def _context(left: Record, right: Record) -> dict[str, Any]:
    return {
        "left": pages.context(left),
        "right": pages.context(right),
        "names": _names(left, right),
        "proofs": findings.recorded(left, right),
        "chart": charts.rtt_chart(_series(left, right)),
        "driver": {"left": _drivers(left), "right": _drivers(right)},
    }


def _names(left: Record, right: Record) -> tuple[str, str]:
    """What to call each run: its scenario, and of two runs of one scenario their labs or times."""
    for name in ("scenario", "lab", "started"):
        pair = str(getattr(left, name)), str(getattr(right, name))
        if pair[0] != pair[1]:
            return pair
    return "left", "right"


def _drivers(record: Record) -> str:
    used = {task.network for task in record.topology.tasks}
    drivers = [net.driver for net in record.topology.networks if net.name in used]
    return ", ".join(dict.fromkeys(drivers)) or "unknown"


def _series(left: Record, right: Record) -> list[charts.Series]:
    """For each pair of machines the left run's pings and the right run's, one beneath the other."""
    one, other = _crossing(left), _crossing(right)
    names = _names(left, right)
    series: list[charts.Series] = []
    for pair in dict.fromkeys([*one, *other]):
        for mine, theirs in zip_longest(one.get(pair, []), other.get(pair, [])):
            if mine:
                series.append(charts.series_of(mine, "left", names[0]))
            if theirs:
                series.append(charts.series_of(theirs, "right", names[1]))
    return series


def _crossing(record: Record) -> dict[tuple[str, str], list[Ping]]:
    found: dict[tuple[str, str], list[Ping]] = {}
    for ping in all_pings(record):
        if charts.crosses(record, ping):
            pair = (ping.source_machine, machine_of(record, ping.address))
            found.setdefault(pair, []).append(ping)
    return found
