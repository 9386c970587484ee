"""How long things took from a fault on, as ranges; those of several runs against the first's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.record import timeline
from scenarios.record.model import TimeLine
from scenarios.record.timeline import Event, Range
from scenarios.report.lanes import KINDS, tone


def since_fault(line: TimeLine, kind: str) -> dict[str, Range]:
    """Every change after a fault of that kind, by what it is, in the order of the line.

    What is as one wants it, and can have come after the healing, is measured from there; all else
    from the making. Of a change that comes again the first is measured; states on the way (a task
    that starts) are not, for a look may miss them.
    """
    made = timeline.first(line, "fault", kind, "made")
    if made is None:
        return {}
    healed = timeline.first(line, "fault", kind, "healed", since=made)
    found: dict[str, Range] = {}
    for event in _changes(line):
        wanted = tone(event.kind, event.state) == "good"
        after = healed if healed and wanted and event.can_follow(healed) else made
        if event.can_follow(after):
            begin = "fault" if after is made else "healing"
            found.setdefault(f"{begin} → {event}", after.until(event))
    for ping in dict.fromkeys(gap.subject for gap in timeline.gaps(line)):
        found[f"longest gap of the ping {ping}"] = _longest(line, ping)
    return found


def _changes(line: TimeLine) -> list[Event]:
    return [
        event
        for kind in KINDS
        if kind != "fault"
        for event in timeline.events(line, kind)
        if tone(kind, event.state) != "warn"
    ]


def _longest(line: TimeLine, ping: str) -> Range:
    lasted = [gap.lasted for gap in timeline.gaps(line, ping)]
    highs = [one.high for one in lasted if one.high is not None]
    lows = [one.low for one in lasted if one.low is not None]
    # One whose end or begin was not seen may be the longest.
    known = len(highs) == len(lasted)
    return Range(max(lows, default=None), max(highs, default=None) if known else None)


@dataclass(frozen=True)
class Cell:
    """A duration of one run, and how it compares with the first run's ("" for that itself)."""

    lasted: str
    against: str


@dataclass(frozen=True)
class Compared:
    """One duration in all runs."""

    what: str
    cells: tuple[Cell, ...]


def compared(runs: Sequence[dict[str, Range]]) -> list[Compared]:
    """The durations of several runs beside each other."""
    base = runs[0]
    return [
        Compared(
            what,
            tuple(
                Cell(
                    str(run[what]) if what in run else "not seen",
                    "" if run is base else against(base.get(what), run.get(what)),
                )
                for run in runs
            ),
        )
        for what in dict.fromkeys(key for run in runs for key in run)
    ]


def against(base: Range | None, other: Range | None) -> str:
    """What two ranges show: a difference only where they do not overlap."""
    if base is None or other is None:
        return "" if base is other else "seen in one of the two alone"
    if base.overlaps(other):
        return "no difference shown"
    longer = other.low is not None and base.high is not None and other.low > base.high
    more, less = (other, base) if longer else (base, other)
    low = None if more.low is None or less.high is None else round(more.low - less.high, 3)
    high = None if more.high is None or less.low is None else round(more.high - less.low, 3)
    return f"{'longer' if longer else 'shorter'} by {Range(low, high)}"
