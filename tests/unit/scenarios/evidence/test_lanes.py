"""What looks saw becomes states, each with the range in which it began."""

from __future__ import annotations

import threading
import time

from scenarios.evidence.lanes import Lanes


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_state_begins_between_the_last_look_at_another_and_the_first_at_it() -> None:
    lanes = Lanes("4", 0.5, 5, Clock())
    for begin, end, state in ((1, 1.5, "ready"), (2, 2.5, "ready"), (3, 6, "down"), (7, 8, "down")):
        lanes.saw("node", "m2", state, begin, end)
    (lane,) = lanes.line().lanes
    ready, down = lane.spans
    assert (ready.after, ready.by, ready.last, ready.looks) == (None, 1.5, 2, 2)
    assert (down.after, down.by, down.last, down.looks) == (2, 6, 7, 2)


def test_what_appears_later_has_begun_after_the_last_look_without_it() -> None:
    lanes = Lanes("4", 0.5, 5, Clock())
    lanes.saw("task", "web.1", "pending", 8, 9, id_="b", absent=7)
    assert lanes.line().lanes[0].spans[0].after == 7


def test_a_range_is_never_rounded_to_a_smaller_one() -> None:
    lanes = Lanes("4", 0.5, 5, Clock())
    lanes.saw("node", "m2", "ready", 1.00049, 1.5)
    lanes.saw("node", "m2", "down", 2, 2.00051)
    down = lanes.line().lanes[0].spans[1]
    assert (down.after, down.by) == (1.0, 2.001)


def test_what_is_taken_of_a_line_does_not_change_with_it() -> None:
    clock = Clock()
    lanes = Lanes("4", 0.5, 5, clock)
    lanes.saw("node", "m2", "ready", 1, 1)
    clock.at += 3
    taken = lanes.line()
    lanes.saw("node", "m2", "down", 2, 2)
    assert (len(taken.lanes[0].spans), taken.seconds) == (1, 3)


def test_who_waits_is_woken_by_the_look_and_else_gives_up() -> None:
    lanes = Lanes("4", 0.5, 5)
    assert not lanes.wait(lambda line: bool(line.lanes), 0.01)
    begin = time.monotonic()
    threading.Timer(0.05, lanes.saw, ("node", "m2", "down", 0, 0)).start()
    assert lanes.wait(lambda line: bool(line.lanes), 600)
    assert time.monotonic() - begin < 300


def test_notes_are_kept_once_and_not_without_end() -> None:
    lanes = Lanes("4", 0.5, 5)
    for number in [*range(100), 0, 0]:
        lanes.note(f"{number}")
    assert lanes.line().notes == [str(number) for number in range(20)]
