"""The same failure in several runs: their lanes one above the other, from the fault on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.record import timeline
from scenarios.record.model import Lane, LaneKind, Record, TimeLine
from scenarios.report import durations, lanes
from scenarios.report.lanes import Axis, Chart, Head, Row

_BEFORE = 5.0  # seconds that are shown before the fault
_HEAD, _ROW = 24, 58  # px

# A lane by kind and subject; the tasks of one name by their order.
_Key = tuple[LaneKind, str, int]


@dataclass(frozen=True)
class Failure:
    """A kind of fault that several runs have made; `runs` are their numbers."""

    kind: str
    what: str
    runs: tuple[int, ...]
    chart: Chart
    durations: tuple[durations.Compared, ...]


def shared(records: Sequence[Record], names: Sequence[str]) -> list[Failure]:
    """The failures that at least two of the runs have a time line of.

    A failure is the same where its kind and its words are: one on another machine is another.
    """
    found: dict[tuple[str, str], dict[int, TimeLine]] = {}
    for number, record in enumerate(records):
        for line in record.timelines:
            for lane in timeline.lanes(line, "fault"):
                found.setdefault((lane.subject, lane.about), {}).setdefault(number, line)
    return [_failure(*which, runs, names) for which, runs in found.items() if len(runs) > 1]


def context(
    failures: Sequence[Failure], names: Sequence[str], drivers: Sequence[str]
) -> dict[str, Any]:
    """What the templates are given; `involved` are the runs that had one of the failures, and
    `over` the network drivers of those of them that had a network."""
    numbers = sorted({number for one in failures for number in one.runs})
    return {
        "failures": failures,
        "names": names,
        "involved": [names[number] for number in numbers],
        "over": [(names[number], drivers[number]) for number in numbers if drivers[number]],
    }


def _failure(kind: str, what: str, runs: dict[int, TimeLine], names: Sequence[str]) -> Failure:
    measured = [durations.since_fault(line, kind, what) for line in runs.values()]
    return Failure(
        kind,
        what,
        tuple(runs),
        _chart(kind, what, runs, names),
        tuple(durations.compared(measured)),
    )


def _zero(line: TimeLine, kind: str, what: str) -> float:
    """Where the axis begins: the middle of the range in which the fault was made."""
    made, _ = durations.moments(line, kind, what)
    if made is None or made.earliest is None:
        return 0
    return (made.earliest + made.latest) / 2


def _chart(kind: str, what: str, runs: dict[int, TimeLine], names: Sequence[str]) -> Chart:
    shifts = {number: _zero(line, kind, what) for number, line in runs.items()}
    end = max(line.seconds - shifts[number] for number, line in runs.items())
    axis = Axis(-min(_BEFORE, max(shifts.values())), end)
    rows: list[Row] = []
    heads: list[Head] = []
    y = 0
    for key, found in _groups(runs).items():
        if not any(lanes.changed(lane) for lane in found.values()):
            continue
        nth = f" ({key[2] + 1})" if key[2] else ""
        heads.append(Head(y, f"{key[0]} {key[1]}{nth}"))
        y += _HEAD
        for number, lane in found.items():
            where = f": on {lane.machine}" if lane.kind == "task" and lane.machine else ""
            rows.append(
                lanes.row(
                    lane,
                    runs[number].seconds,
                    axis,
                    y,
                    shift=shifts[number],
                    label=f"{names[number]}{where}",
                    run=number,
                )
            )
            y += _ROW
    ticks = tuple(
        lanes.Tick(one.x, "fault" if one.label == "0 s" else one.label) for one in axis.ticks()
    )
    words = "; ".join(f"{one.label}: {one.states}" for one in rows) + "."
    return Chart(y + 26, tuple(rows), tuple(heads), ticks, (), (), words)


def _groups(runs: dict[int, TimeLine]) -> dict[_Key, dict[int, Lane]]:
    """The lanes of all runs by what they are of, in the order of a report."""
    found: dict[_Key, dict[int, Lane]] = {}
    for number, line in runs.items():
        seen: dict[tuple[LaneKind, str], int] = {}
        for lane in lanes.ordered(line):
            nth = seen[lane.kind, lane.subject] = seen.get((lane.kind, lane.subject), -1) + 1
            found.setdefault((lane.kind, lane.subject, nth), {})[number] = lane
    return dict(sorted(found.items(), key=lambda item: lanes.rank(item[0][0])))
