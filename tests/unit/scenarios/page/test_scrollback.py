"""What of a terminal's output is kept."""

from __future__ import annotations

from scenarios.page.scrollback import Scrollback


def test_what_came_since_a_place_is_given_from_there() -> None:
    kept = Scrollback()
    kept.add(b"one\n")
    kept.add(b"two\n")
    assert kept.since(0) == (b"one\ntwo\n", 8, False)
    assert kept.since(6) == (b"o\n", 8, False)
    assert kept.since(8) == (b"", 8, False)


def test_the_oldest_is_forgotten_and_the_rest_begins_with_a_whole_line() -> None:
    kept = Scrollback(kept=10)
    kept.add(b"first\nsec")
    kept.add(b"ond\nthird\n")
    assert kept.since(0) == (b"third\n", 19, True)
    assert kept.since(12) == (b"\nthird\n", 19, False)


def test_memory_has_a_limit_however_much_is_printed() -> None:
    kept = Scrollback(kept=1000)
    for _ in range(1000):
        kept.add(b"x" * 100)
    data, end, lost = kept.since(99_500)
    assert (len(data), end, lost) == (500, 100_000, False)
    assert kept.since(98_000)[2]
