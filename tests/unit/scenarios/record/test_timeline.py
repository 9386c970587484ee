"""Questions to a time line: what the looks allow to say, and no more."""

from __future__ import annotations

import pytest

from scenarios.record import timeline
from scenarios.record.model import Lane, Span, TimeLine
from scenarios.record.timeline import Event, Range


def event(earliest: float | None, latest: float, subject: str = "", number: int = 0) -> Event:
    # Each of a lane of its own, unless it has a number.
    subject = subject or ("a" if number else f"{earliest} {latest}")
    return Event("node", subject, "down", earliest, latest, number=number)


def line(*lanes: Lane) -> TimeLine:
    return TimeLine(
        started="2026-11-28T12:00:00.000+00:00", seconds=60, pause=0.5, limit=5, lanes=list(lanes)
    )


def span(state: str, after: float | None, by: float, last: float, looks: int = 1) -> Span:
    return Span(state=state, after=after, by=by, last=last, looks=looks)


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        ((1.0, 2.0), (2.0, 3.0), "before"),
        ((2.0, 3.0), (1.0, 2.0), "after"),
        ((1.0, 2.1), (2.0, 3.0), "open"),
        ((None, 2.0), (3.0, 4.0), "before"),
        ((3.0, 4.0), (None, 2.0), "after"),
        ((3.0, 4.0), (None, 3.5), "open"),
    ],
)
def test_two_moments_have_an_order_where_their_ranges_do_not_overlap(
    one: tuple[float | None, float], other: tuple[float | None, float], order: str
) -> None:
    assert event(*one).order(event(*other)) == order


def test_states_of_one_lane_follow_each_other_whatever_their_ranges() -> None:
    down, back = event(1, 3, number=1), event(2, 4, number=2)
    assert (down.order(back), back.order(down)) == ("before", "after")
    assert event(1, 3, "b").order(back) == "open"


def test_a_duration_has_a_least_and_a_most() -> None:
    assert event(1, 2).until(event(5, 7)) == Range(3, 6)
    assert event(1, 2).until(event(1.5, 7)) == Range(0, 6)
    assert event(None, 2).until(event(5, 7)) == Range(3, None)
    assert event(1, 2).until(event(None, 7)) == Range(None, 6)


def test_a_range_in_words() -> None:
    words = [str(one) for one in (Range(1, 2.25), Range(None, 2), Range(3, None), Range(2, 2))]
    assert words == ["1.0 to 2.2 s", "at most 2.0 s", "at least 3.0 s", "2.0 s"]
    assert str(Range(None, None)) == "unknown"


def test_ranges_overlap_unless_one_is_surely_shorter() -> None:
    assert Range(1, 3).overlaps(Range(3, 5))
    assert not Range(1, 3).overlaps(Range(3.1, 5))
    assert not Range(3.1, None).overlaps(Range(None, 3))
    assert Range(None, None).overlaps(Range(9, 9))


def test_a_task_is_found_by_its_own_name_its_service_and_its_machine() -> None:
    tasks = line(
        Lane(kind="task", subject="web.1", machine="m1", spans=[span("running", None, 1, 1)]),
        Lane(kind="task", subject="web.1", machine="m2", spans=[span("running", 8, 9, 9)]),
        Lane(kind="task", subject="web2.1", machine="m2", spans=[span("running", None, 1, 1)]),
    )
    assert timeline.first(tasks, "task", "web", "running", "m2") == timeline.first(
        tasks, "task", "web.1", "running", "m2"
    )
    assert [lane.machine for lane in timeline.lanes(tasks, "task", "web")] == ["m1", "m2"]
    assert timeline.first(tasks, "task", "we", "running") is None


def test_a_state_that_comes_back_is_found_after_what_was_between() -> None:
    node = line(
        Lane(
            kind="node",
            subject="m2",
            spans=[
                span("ready", None, 1, 9),
                span("down", 9, 10, 9.5),
                span("ready", 9.5, 12, 20),
            ],
        )
    )
    down = timeline.first(node, "node", "m2", "down")
    assert down
    back = timeline.first(node, "node", "m2", "ready", since=down)
    assert back
    assert (back.earliest, back.latest) == (9.5, 12)
    assert timeline.first(node, "node", "m2", "down", since=down) is None


def test_what_was_so_at_the_first_look_did_not_follow_anything() -> None:
    fault = Event("fault", "partition", "made", 0.5, 3)
    node = line(Lane(kind="node", subject="m2", spans=[span("ready", None, 1, 9)]))
    assert timeline.first(node, "node", "m2", "ready", since=fault) is None


def test_lost_pings_are_gaps_with_their_number_begin_and_end() -> None:
    ping = line(
        Lane(
            kind="ping",
            subject="task1 to address2",
            spans=[
                span("answered", None, 1, 4, 8),
                span("lost", 4, 6, 8, 3),
                span("answered", 8, 9, 20, 10),
                span("lost", 20, 22, 22, 1),
            ],
        )
    )
    first, last = timeline.gaps(ping, "task1 to address2")
    assert (first.lost, first.lasted) == (3, Range(2, 5))
    assert (last.lost, last.end, last.lasted) == (1, None, Range(None, None))
