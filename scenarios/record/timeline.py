"""Questions to a time line: when something began, in which order, and how long it took.

What is known of a moment is a range, because a state is seen by looks only: it changed after the
last look that saw another one began, and before the first look that saw it ended. So two moments
whose ranges overlap have no order, and a duration has a least and a most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scenarios.record.model import Lane, LaneKind, TimeLine

Order = Literal["before", "after", "open"]


@dataclass(frozen=True)
class Range:
    """Seconds: at least `low` and at most `high`. Either is None where the looks do not say."""

    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "unknown"
        if self.low is None:
            return f"at most {self.high:.1f} s"
        if self.high is None:
            return f"at least {self.low:.1f} s"
        low, high = f"{self.low:.1f}", f"{self.high:.1f}"
        return f"{low} s" if low == high else f"{low} to {high} s"

    def overlaps(self, other: Range) -> bool:
        """Whether both can be the same: no difference is shown then."""
        return not (_below(self.high, other.low) or _below(other.high, self.low))


def _below(high: float | None, low: float | None) -> bool:
    return high is not None and low is not None and high < low


@dataclass(frozen=True)
class Event:
    """The begin of a state, in seconds on the axis of the time line.

    It was not before `earliest` (None: before the first look), and not after `latest`. `number`
    counts the states of its lane.
    """

    kind: LaneKind
    subject: str
    state: str
    earliest: float | None
    latest: float
    detail: str = ""
    machine: str = ""
    looks: int = 1
    id: str = ""
    number: int = 0

    @property
    def lane(self) -> tuple[str, str, str]:
        """What tells its lane from others."""
        return self.kind, self.subject, self.id

    def __str__(self) -> str:
        where = f" on {self.machine}" if self.machine and self.kind == "task" else ""
        return f"{self.kind} {self.subject}{where} {self.state}"

    def until(self, later: Event) -> Range:
        """How long it took from this event to a later one."""
        low = None if later.earliest is None else round(max(0.0, later.earliest - self.latest), 3)
        high = None if self.earliest is None else round(max(0.0, later.latest - self.earliest), 3)
        return Range(low, high)

    def order(self, other: Event) -> Order:
        """Whether this one came before or after the other; "open" where the ranges overlap.

        States of one lane follow each other, whatever their ranges.
        """
        if self.lane == other.lane and self.number != other.number:
            return "before" if self.number < other.number else "after"
        if other.earliest is not None and self.latest <= other.earliest:
            return "before"
        if self.earliest is not None and other.latest <= self.earliest:
            return "after"
        return "open"

    def can_follow(self, other: Event) -> bool:
        """Whether it is a change that can have come after another one."""
        if self.lane == other.lane:
            return self.number > other.number
        return self.earliest is not None and self.order(other) != "before"


def lanes(
    line: TimeLine, kind: LaneKind, subject: str = "", on: str = "", id_: str = ""
) -> Iterator[Lane]:
    """The lanes of a kind. A task is found by its own name ("web.1") or its service's ("web")."""
    for lane in line.lanes:
        named = not subject or subject == lane.subject or lane.subject.startswith(f"{subject}.")
        if lane.kind == kind and named and on in ("", lane.machine) and id_ in ("", lane.id):
            yield lane


def events(
    line: TimeLine, kind: LaneKind, subject: str = "", state: str = "", on: str = ""
) -> list[Event]:
    """Each begin of a state, in the order in which they were seen."""
    found = [
        event_of(lane, number)
        for lane in lanes(line, kind, subject, on)
        for number, span in enumerate(lane.spans)
        if state in ("", span.state)
    ]
    return sorted(found, key=lambda event: event.latest)


def event_of(lane: Lane, number: int) -> Event:
    """The begin of one of a lane's states."""
    span = lane.spans[number]
    return Event(
        kind=lane.kind,
        subject=lane.subject,
        state=span.state,
        earliest=span.after,
        latest=span.by,
        detail=span.detail,
        machine=lane.machine,
        looks=span.looks,
        id=lane.id,
        number=number,
    )


def first(
    line: TimeLine,
    kind: LaneKind,
    subject: str,
    state: str,
    on: str = "",
    since: Event | None = None,
) -> Event | None:
    """The first time that something was seen in a state; None where it never was.

    With `since` it is the first change to that state that can have come after that event.
    """
    for event in events(line, kind, subject, state, on):
        if since is None or event.can_follow(since):
            return event
    return None


@dataclass(frozen=True)
class Gap:
    """Pings that were lost in a row: their number, from when, and until when (None: to the end)."""

    subject: str
    lost: int
    begin: Event
    end: Event | None

    @property
    def lasted(self) -> Range:
        """How long nothing was answered."""
        return self.begin.until(self.end) if self.end else Range(None, None)


def gaps(line: TimeLine, subject: str = "") -> list[Gap]:
    """The gaps of a ping, or of all of them."""
    found = []
    for lane in lanes(line, "ping", subject):
        for number, span in enumerate(lane.spans):
            if span.state == "lost":
                end = event_of(lane, number + 1) if number + 1 < len(lane.spans) else None
                found.append(Gap(lane.subject, span.looks, event_of(lane, number), end))
    return sorted(found, key=lambda gap: gap.begin.latest)
