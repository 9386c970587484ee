"""Waiting ends when it is settled, or with what was seen last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.support.wait import wait_until


def looks(*given: object) -> Iterator[object]:
    for one in given:
        if isinstance(one, Exception):
            raise one
        yield one


def test_what_is_settled_is_returned_at_once() -> None:
    seen = looks(3, 2, 1, 0)
    assert wait_until(lambda: next(seen), lambda n: n == 1, patience=10, pause=0) == 1
    assert next(seen) == 0


def test_after_its_patience_the_last_look_tells() -> None:
    assert wait_until(lambda: ["left"], lambda left: not left, patience=0.05, pause=0.01) == [
        "left"
    ]


def test_an_exception_is_told_of_at_once_where_it_is_not_expected() -> None:
    seen = looks(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        wait_until(lambda: next(seen), bool, patience=10, pause=0)


def test_a_look_that_sees_nothing_is_followed_by_another() -> None:
    given: list[object] = [OSError("away"), OSError("away"), "here"]

    def look() -> object:
        one = given.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    assert wait_until(look, bool, patience=10, pause=0, unanswered=(OSError,)) == "here"


def test_where_every_look_saw_nothing_the_last_ones_reason_is_raised() -> None:
    def look() -> object:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        wait_until(look, bool, patience=0.05, pause=0.01, unanswered=(OSError,))
