"""Time lines as pictures: lanes on one axis, laid out in percent of the width as the charts are.

What a state is shows in its bar's height as well as in its colour: a thin bar is what one wants,
a thick one what one does not, an outline what is on its way or over. Under a change stands the
range in which it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.record import timeline
from scenarios.record.model import Lane, LaneKind, Record, Span, TimeLine
from scenarios.record.timeline import Range, event_of
from scenarios.report.text import plural, shorten

Tone = Literal["good", "warn", "bad", "idle"]

_ROW = 58  # px: a line of name, a line of states, the bar, the ranges
_HEAD = 22  # px above the lanes of a group
_MOST = 110  # characters that fit on a page; a phone shows the begin of them
KINDS: tuple[LaneKind, ...] = (
    "fault",
    "leader",
    "manager",
    "reachability",
    "node",
    "availability",
    "engine",
    "task",
    "ping",
)
_GOOD = {"ready", "reachable", "active", "answers", "leads", "follows", "running", "answered"}
_BAD = {"down", "unreachable", "does not answer", "has no leader", "none", "failed", "rejected"}
_BAD |= {"lost", "made"}
_OVER = {"complete", "shutdown", "to be shut down", "removed", "orphaned", "is no manager"}
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)


@dataclass(frozen=True)
class Bar:
    """A state on the axis, in percent; `title` is what a pointer over it tells."""

    x: float
    width: float
    tone: Tone
    title: str


@dataclass(frozen=True)
class Row:
    """One lane: `y` is its top in px, `ranges` have the begin and end of each uncertain change."""

    y: int
    label: str
    states: str
    bars: tuple[Bar, ...]
    ranges: tuple[tuple[float, float], ...]
    run: int = 0


@dataclass(frozen=True)
class Head:
    """The words above a group of lanes."""

    y: int
    text: str


@dataclass(frozen=True)
class Tick:
    """A line of the axis (percent)."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Lanes to draw. `faults` are (x, width) behind all of them, `steady` what never changed."""

    height: int
    rows: tuple[Row, ...]
    heads: tuple[Head, ...]
    ticks: tuple[Tick, ...]
    faults: tuple[tuple[float, float], ...]
    steady: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Change:
    """A row of the table: when, what, which state."""

    when: str
    what: str
    state: str
    detail: str
    tone: Tone
    at: float


@dataclass(frozen=True)
class Shown:
    """A time line of a report: its picture, its table, and the gaps of its pings."""

    line: TimeLine
    title: str
    chart: Chart
    changes: tuple[Change, ...]
    gaps: tuple[tuple[str, str, str], ...]


def shown(record: Record) -> list[Shown]:
    """Every time line of a run."""
    titles = {step.number: step.title for step in record.steps}
    return [
        Shown(
            line,
            f"Step {line.step}: {titles[line.step]}" if line.step in titles else "",
            chart(line),
            tuple(changes(line)),
            tuple(
                (gap.subject, plural(gap.lost, "packet"), str(gap.lasted))
                for gap in timeline.gaps(line)
            ),
        )
        for line in record.timelines
    ]


def ordered(line: TimeLine) -> list[Lane]:
    """The lanes by kind, and within a kind as they were first seen."""
    return sorted((lane for lane in line.lanes if lane.spans), key=lambda x: rank(x.kind))


def rank(kind: LaneKind) -> int:
    """Where lanes of a kind stand among the others."""
    return KINDS.index(kind)


def changed(lane: Lane) -> bool:
    """Whether a lane has more to show than one state that was there all along."""
    return len(lane.spans) > 1 or lane.spans[0].after is not None


def name(lane: Lane) -> str:
    """A lane in words."""
    to = f" ({lane.about})" if lane.kind == "ping" and lane.about else ""
    return f"{_label(lane)}{to}"


def _label(lane: Lane) -> str:
    if lane.kind == "leader":
        return "leader of the swarm"
    where = f" on {lane.machine}" if lane.kind == "task" and lane.machine else ""
    return f"{lane.kind} {lane.subject}{where}"


def tone(kind: LaneKind, state: str) -> Tone:
    """Whether a state is what one wants."""
    if kind == "fault":
        return "bad" if state == "made" else "idle"
    if kind == "leader":
        return "bad" if state == "none" else "good"
    if state in _GOOD:
        return "good"
    if state in _BAD:
        return "bad"
    return "idle" if state in _OVER else "warn"


def chart(line: TimeLine) -> Chart:
    """The lanes of one time line that changed, and the leader's and the pings' in any case."""
    lanes = ordered(line)
    drawn = [lane for lane in lanes if changed(lane) or lane.kind in ("leader", "ping", "fault")]
    axis = Axis(0, line.seconds)
    rows = tuple(row(lane, line.seconds, axis, index * _ROW) for index, lane in enumerate(drawn))
    return Chart(
        height=len(rows) * _ROW + 26,
        rows=rows,
        heads=(),
        ticks=axis.ticks(),
        faults=tuple(bands(lanes, line.seconds, axis)),
        steady=tuple(f"{name(x)} {x.spans[0].state}" for x in lanes if x not in drawn),
        description="; ".join(f"{one.label}: {one.states}" for one in rows) + ".",
    )


@dataclass(frozen=True)
class Axis:
    """Seconds from `begin` to `end` as percent of the width; what lies outside is cut off."""

    begin: float
    end: float

    def x(self, at: float) -> float:
        """Where a moment lies."""
        part = (at - self.begin) / max(self.end - self.begin, 0.001)
        return round(1 + 97 * min(max(part, 0), 1), 2)

    def ticks(self, most: int = 5) -> tuple[Tick, ...]:
        """Whole seconds or minutes, no more of them than fit on a phone."""
        length = self.end - self.begin
        step = next((one for one in _STEPS if length / one <= most), length / most)
        first = -int(-self.begin // step)
        count = int((self.end - first * step) // step) + 1
        marks = [(first + number) * step for number in range(max(count, 1))]
        return tuple(Tick(self.x(at), f"{at:g} s") for at in marks)


def row(
    lane: Lane, end: float, axis: Axis, y: int, *, shift: float = 0, label: str = "", run: int = 0
) -> Row:
    """A lane laid out: each state from the middle of its own range to that of the next one's."""
    states = " → ".join(_state(lane, span) for span in lane.spans)
    states = lane.about if lane.kind == "fault" else states
    return Row(
        y=y,
        label=shorten(label or _label(lane), _MOST),
        states=shorten(states, _MOST),
        bars=tuple(_bars(lane, end, axis, shift)),
        ranges=tuple(
            (axis.x(span.after - shift), axis.x(span.by - shift))
            for span in lane.spans
            if span.after is not None
        ),
        run=run,
    )


def bands(
    lanes: Sequence[Lane], end: float, axis: Axis, shift: float = 0
) -> list[tuple[float, float]]:
    """Where faults were made, as (x, width)."""
    return [
        (bar.x, bar.width)
        for lane in lanes
        if lane.kind == "fault"
        for bar in _bars(lane, end, axis, shift)
    ]


def _state(lane: Lane, span: Span) -> str:
    lost = lane.kind == "ping" and span.state == "lost"
    return f"{span.looks} lost" if lost else span.state


def _bars(lane: Lane, end: float, axis: Axis, shift: float) -> list[Bar]:
    found = []
    for number, span in enumerate(lane.spans):
        if lane.kind == "fault" and span.state == "healed":
            continue
        then = lane.spans[number + 1] if number + 1 < len(lane.spans) else None
        begin = _middle(span) - shift if number or span.after is not None else -shift
        until = _middle(then) - shift if then else end - shift
        x = axis.x(begin)
        width = max(round(axis.x(until) - x, 2), 0.6)
        title = f"{name(lane)}: {_state(lane, span)}, {moment(span, shift)}"
        found.append(Bar(x, width, tone(lane.kind, span.state), title))
    return found


def _middle(span: Span) -> float:
    return span.by if span.after is None else (span.after + span.by) / 2


def moment(span: Span, shift: float = 0) -> str:
    """When a state began, as a range in seconds."""
    if span.after is None:
        return "from the begin"
    return str(Range(round(span.after - shift, 3), round(span.by - shift, 3)))


def changes(line: TimeLine) -> list[Change]:
    """All changes in the order in which they were seen, and before them what there was."""
    found = []
    for lane in ordered(line):
        for number, span in enumerate(lane.spans):
            detail = lane.about if lane.kind == "fault" else span.detail
            if lane.kind == "ping":
                detail = (
                    f"{plural(span.looks, 'packet')}, from {span.detail.removeprefix('packet ')}"
                )
            found.append(
                Change(
                    moment(span),
                    name(lane),
                    span.state,
                    detail,
                    tone(lane.kind, span.state),
                    event_of(lane, number).latest if span.after is not None else -1,
                )
            )
    return sorted(found, key=lambda change: change.at)
