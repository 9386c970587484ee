"""Time lines in reports, and the same failure in several runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.record import timeline
from scenarios.record.model import Lane, Span, TimeLine
from scenarios.record.timeline import Range
from scenarios.report import durations, failure, lanes
from scenarios.report.compare import write_comparison
from scenarios.report.lanes import Axis
from scenarios.report.write import write_reports
from tests.unit import sample_record as samples


def line(*made: Lane, seconds: float = 20) -> TimeLine:
    return TimeLine(
        started="2026-11-28T12:00:00+00:00", seconds=seconds, pause=0.5, limit=5, lanes=list(made)
    )


def lane(kind: str, subject: str, *spans: tuple[str, float | None, float]) -> Lane:
    made = [Span(state=state, after=after, by=by, last=by) for state, after, by in spans]
    return Lane(kind=kind, subject=subject, spans=made)


def test_lanes_stand_by_kind_with_the_fault_on_top() -> None:
    labels = [row.label for row in lanes.chart(samples.node_failure().timelines[0]).rows]
    assert labels == [
        "fault kill-daemon",
        "leader of the swarm",
        "node machine2",
        "engine machine2",
        "task web.1 on machine2",
        "task web.1 on machine1",
        "ping machine1 to machine2",
        "ping task1 to address2",
    ]


def test_what_never_changed_is_told_in_words_alone() -> None:
    chart = lanes.chart(samples.node_failure().timelines[0])
    assert chart.steady == ("manager machine1 leads", "node machine1 ready")


def test_bars_meet_in_the_middle_of_each_range_and_stay_on_the_axis() -> None:
    (row,) = lanes.chart(line(lane("node", "m2", ("ready", None, 1), ("down", 8, 12)))).rows
    ready, down = row.bars
    axis = Axis(0, 20)
    assert (ready.x, ready.tone) == (axis.x(0), "good")
    assert (down.x, down.tone) == (axis.x(10), "bad")
    assert round(ready.x + ready.width, 2) == down.x
    assert round(down.x + down.width, 2) == axis.x(20)
    assert row.ranges == ((axis.x(8), axis.x(12)),)


def test_a_state_that_was_seen_once_can_still_be_seen_in_the_picture() -> None:
    flap = line(
        lane("node", "m2", ("ready", None, 1), ("down", 100, 100.1), ("ready", 100.1, 100.2)),
        seconds=3600,
    )
    (row,) = lanes.chart(flap).rows
    assert all(bar.width >= 0.6 for bar in row.bars)


@pytest.mark.parametrize(("begin", "end"), [(0, 0.4), (0, 7), (-5, 61), (0, 3599), (-5, 90000)])
def test_an_axis_has_marks_that_fit_on_a_phone(begin: float, end: float) -> None:
    ticks = Axis(begin, end).ticks()
    assert 1 <= len(ticks) <= 7
    assert all(0 <= tick.x <= 100 for tick in ticks)


def test_every_kind_of_state_has_a_tone() -> None:
    tones = [
        lanes.tone("node", "down"),
        lanes.tone("task", "preparing"),
        lanes.tone("task", "shutdown"),
        lanes.tone("leader", "machine3"),
        lanes.tone("leader", "none"),
        lanes.tone("availability", "drain"),
    ]
    assert tones == ["bad", "warn", "idle", "good", "bad", "warn"]


def test_both_reports_have_the_changes_with_their_ranges(tmp_path: Path) -> None:
    write_reports(samples.node_failure(), tmp_path)
    html, text = ((tmp_path / f"report.{end}").read_text() for end in ("html", "md"))
    for words in (html, text):
        assert "17.1 to 17.7 s" in words
        assert "heartbeat failure" in words
        assert "14 packets" in words
        assert "no SSH at ops@10.77.0.2" in words
    assert "| 17.1 to 17.7 s | node machine2 | down | heartbeat failure |" in text


def test_a_run_without_a_time_line_has_no_such_section(tmp_path: Path) -> None:
    write_reports(samples.sample(), tmp_path)
    for end in ("html", "md"):
        assert "What changed, and when" not in (tmp_path / f"report.{end}").read_text()


# -- how long it took -----------------------------------------------------------------------------


def test_what_fails_is_measured_from_the_fault_and_what_recovers_from_the_healing() -> None:
    found = durations.since_fault(samples.node_failure().timelines[0], "kill-daemon")
    assert found["fault → node machine2 down"] == Range(14.3, 15.6)
    assert found["healing → node machine2 ready"] == Range(0.8, 4.3)
    assert found["fault → task web.1 on machine1 running"] == Range(15.3, 16.5)
    assert found["longest gap of the ping task1 to address2"] == Range(5.7, 10.8)
    assert not [what for what in found if "preparing" in what or "starting" in what]


def test_a_fault_that_was_not_made_measures_nothing() -> None:
    assert durations.since_fault(samples.node_failure().timelines[0], "partition") == {}


def test_a_gap_without_an_end_may_be_the_longest() -> None:
    made = line(
        lane("fault", "partition", ("made", 1, 2)),
        Lane(
            kind="ping",
            subject="a to b",
            spans=[
                Span(state="lost", after=2, by=3, last=4, looks=2),
                Span(state="answered", after=4, by=5, last=6),
                Span(state="lost", after=6, by=7, last=19, looks=9),
            ],
        ),
    )
    found = durations.since_fault(made, "partition")
    assert found["longest gap of the ping a to b"] == Range(12, None)


def test_of_two_faults_each_has_what_came_after_it_and_before_the_next() -> None:
    first, second = (lane("fault", "partition", ("made", at, at + 1)) for at in (1, 8))
    first.about, second.about = "between a and b", "between a and c"
    first.id, second.id = "1", "2"
    nodes = [
        lane("node", name, ("ready", None, 1), ("down", at, at + 1))
        for name, at in (("b", 5), ("c", 12))
    ]
    made = line(first, second, *nodes)
    found = [durations.since_fault(made, "partition", one.about) for one in (first, second)]
    assert found == [
        {"fault → node b down": Range(3, 5)},
        {"fault → node c down": Range(3, 5)},
    ]


def test_a_gap_before_the_fault_is_not_the_faults() -> None:
    made = line(
        lane("fault", "partition", ("made", 8, 9)),
        lane("ping", "a to b", ("answered", None, 1), ("lost", 2, 3), ("answered", 4, 5)),
    )
    assert durations.since_fault(made, "partition") == {}


@pytest.mark.parametrize(
    ("base", "other", "words"),
    [
        (Range(1, 3), Range(2, 4), "no difference shown"),
        (Range(1, 3), Range(3, 4), "no difference shown"),
        (Range(1, 3), Range(5, 6), "longer by 2.0 to 5.0 s"),
        (Range(5, 6), Range(1, 3), "shorter by 2.0 to 5.0 s"),
        (Range(1, 3), Range(5, None), "longer by at least 2.0 s"),
        (Range(1, 3), None, "seen in one of the two alone"),
        (None, None, ""),
    ],
)
def test_a_difference_is_shown_only_where_ranges_do_not_overlap(
    base: Range | None, other: Range | None, words: str
) -> None:
    assert durations.against(base, other) == words


# -- the same failure -----------------------------------------------------------------------------


def test_the_same_failure_is_found_by_its_kind_and_not_in_runs_without_it() -> None:
    runs = [samples.node_failure(), samples.sample(), samples.node_failure(6)]
    (found,) = failure.shared(runs, ["a", "b", "c"])
    assert (found.kind, found.runs) == ("kill-daemon", (0, 2))
    assert failure.shared(runs[:2], ["a", "b"]) == []


def test_the_same_fault_on_another_machine_is_another_failure() -> None:
    other = samples.node_failure()
    other.timelines[0].lanes[-1].about = "Docker's daemon on machine1 is killed"
    assert failure.shared([samples.node_failure(), other], ["a", "b"]) == []


def test_its_lanes_stand_one_above_the_other_from_the_fault_on() -> None:
    early, late = samples.node_failure(), samples.node_failure()
    for one in late.timelines[0].lanes:
        for span in one.spans:
            # The same run, but everything has come 100 s later.
            span.after = None if span.after is None else span.after + 100
            span.by, span.last = span.by + 100, span.last + 100
    late.timelines[0].seconds += 100
    (found,) = failure.shared([early, late], ["a", "b"])
    assert [head.text for head in found.chart.heads][:2] == ["fault kill-daemon", "node machine2"]
    pairs = list(zip(found.chart.rows[::2], found.chart.rows[1::2], strict=True))
    assert [(one.label[0], other.label[0]) for one, other in pairs] == [("a", "b")] * len(pairs)
    assert all(one.ranges == other.ranges for one, other in pairs)
    assert found.chart.ticks[0].label == "fault"
    assert {cell.against for row in found.durations for cell in row.cells[1:]} == {
        "no difference shown"
    }


def test_a_run_against_itself_shows_no_difference() -> None:
    (found,) = failure.shared([samples.node_failure()] * 2, ["a", "b"])
    assert {row.cells[1].against for row in found.durations} == {"no difference shown"}


def test_the_page_of_the_failure_is_written_and_linked_only_where_there_is_one(
    tmp_path: Path,
) -> None:
    write_comparison([samples.node_failure(), samples.node_failure(6, "again")], tmp_path)
    assert 'href="failure.html"' in (tmp_path / "comparison.html").read_text()
    for end in ("html", "md"):
        words = (tmp_path / f"failure.{end}").read_text()
        assert "longer by 4.7 to 7.3 s" in words
        assert "no difference shown" in words
    write_comparison([samples.node_failure(), samples.weave()], tmp_path)
    assert not list(tmp_path.glob("failure.*"))
    assert "failure.html" not in (tmp_path / "comparison.html").read_text()


def test_the_page_of_the_failure_says_over_which_drivers_it_was(tmp_path: Path) -> None:
    over_one, over_other = samples.node_failure(), samples.node_failure(6, "again")
    for record, driver in ((over_one, "overlay"), (over_other, "test/plugin:1")):
        for network in record.topology.networks:
            network.driver = driver
    write_comparison([over_one, over_other], tmp_path)
    for end in ("html", "md"):
        words = " ".join((tmp_path / f"failure.{end}").read_text().split())
        assert "overlay" in words
        assert "test/plugin:1" in words
    for record in (over_one, over_other):
        record.topology.tasks.clear()
    write_comparison([over_one, over_other], tmp_path)
    assert "Network driver" not in (tmp_path / "failure.html").read_text()


def test_an_event_of_a_sample_is_where_the_sample_says() -> None:
    made = samples.node_failure().timelines[0]
    down = timeline.first(made, "node", "machine2", "down")
    assert down
    assert (down.earliest, down.latest, down.detail) == (17.1, 17.7, "heartbeat failure")
