"""How long things took from a fault on, as ranges; those of several runs against the first's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.record import timeline
from scenarios.record.model import TimeLine
from scenarios.record.timeline import Event, Range
from scenarios.report.lanes import KINDS, tone


def since_fault(line: TimeLine, kind: str, what: str = "") -> dict[str, Range]:
    """Every change after a fault of that kind (and in those words), by what it is, by kinds.

    What is as one wants it, and can have come after the healing, is measured from there; all else
    from the making. Of a change that comes again the first is measured; states on the way (a task
    that starts) are not, for a look may miss them. What comes after a later fault is that one's.
    """
    made, healed = moments(line, kind, what)
    if made is None:
        return {}
    later = [one for one in timeline.events(line, "fault", state="made") if one.can_follow(made)]

    def mine(event: Event) -> bool:
        return event.can_follow(made) and not any(one.order(event) == "before" for one in later)

    found: dict[str, Range] = {}
    for event in filter(mine, _changes(line)):
        wanted = tone(event.kind, event.state) == "good"
        after = healed if healed and wanted and event.can_follow(healed) else made
        begin = "fault" if after is made else "healing"
        found.setdefault(f"{begin} → {event}", after.until(event))
    gaps: dict[str, list[Range]] = {}
    for gap in timeline.gaps(line):
        if mine(gap.begin):
            gaps.setdefault(f"longest gap of the ping {gap.subject}", []).append(gap.lasted)
    return found | {what: _longest(lasted) for what, lasted in gaps.items()}


def moments(line: TimeLine, kind: str, what: str = "") -> tuple[Event | None, Event | None]:
    """When the first fault of that kind (and in those words) was made, and when healed."""
    for lane in timeline.lanes(line, "fault", kind):
        if what in ("", lane.about):
            seen = [timeline.event_of(lane, number) for number in range(len(lane.spans))]
            made = next((event for event in seen if event.state == "made"), None)
            return made, next((event for event in seen if event.state == "healed"), None)
    return None, None


def _changes(line: TimeLine) -> list[Event]:
    return [
        event
        for kind in KINDS
        if kind != "fault"
        for event in timeline.events(line, kind)
        if tone(kind, event.state) != "warn"
    ]


def _longest(lasted: Sequence[Range]) -> Range:
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
