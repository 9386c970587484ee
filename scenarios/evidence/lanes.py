"""The lanes of a time line while it grows: what each look saw becomes the states of its subject."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from scenarios.record.model import Lane, LaneKind, Span, TimeLine

_MOST_NOTES = 20


class Lanes:
    """A time line that looks are added to, from any thread. Its clock is this process's own."""

    def __init__(
        self, step: str, pause: float, limit: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._begin = clock()
        self._changed = threading.Condition()
        self._lanes: dict[tuple[LaneKind, str, str], Lane] = {}
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._line = TimeLine(step=step, started=started, seconds=0, pause=pause, limit=limit)

    def now(self) -> float:
        """Seconds since the line began."""
        return self._clock() - self._begin

    def saw(
        self,
        kind: LaneKind,
        subject: str,
        state: str,
        begin: float,
        end: float,
        *,
        id_: str = "",
        machine: str = "",
        about: str = "",
        detail: str = "",
        absent: float | None = None,
    ) -> None:
        """A look from `begin` to `end` has seen `state`.

        `absent` is the begin of the last look that would have seen the subject and did not.
        """
        with self._changed:
            lane = self._lanes.get((kind, subject, id_))
            if lane is None:
                lane = Lane(kind=kind, subject=subject, id=id_)
                self._lanes[kind, subject, id_] = lane
                self._line.lanes.append(lane)
            lane.machine = machine or lane.machine
            lane.about = about or lane.about
            newest = lane.spans[-1] if lane.spans else None
            if newest and newest.state == state:
                newest.last = max(newest.last, _down(begin))
                newest.looks += 1
            else:
                after = newest.last if newest else None if absent is None else _down(absent)
                lane.spans.append(
                    Span(state=state, detail=detail, after=after, by=_up(end), last=_down(begin))
                )
            self._changed.notify_all()

    def has(self, kind: LaneKind, subject: str) -> bool:
        """Whether there is a lane of that kind and subject."""
        with self._changed:
            return any(known[:2] == (kind, subject) for known in self._lanes)

    def note(self, text: str) -> None:
        """What could not be seen; once each."""
        with self._changed:
            if text not in self._line.notes and len(self._line.notes) < _MOST_NOTES:
                self._line.notes.append(text)

    def line(self) -> TimeLine:
        """The time line as it is now: a copy."""
        with self._changed:
            self._line.seconds = _up(self.now())
            return self._line.model_copy(deep=True)

    def wait(self, settled: Callable[[TimeLine], bool], patience: float) -> bool:
        """Wait until the line is as wanted, for `patience` seconds at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: settled(self._line), patience)


def _down(seconds: float) -> float:
    return math.floor(seconds * 1000) / 1000


def _up(seconds: float) -> float:
    return math.ceil(seconds * 1000) / 1000
