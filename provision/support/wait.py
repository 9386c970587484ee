"""Waiting, with a limit, until what is looked at has come about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

T = TypeVar("T")


def wait_until(
    look: Callable[[], T],
    settled: Callable[[T], bool],
    patience: float,
    pause: float = 0.5,
    unanswered: tuple[type[Exception], ...] = (),
) -> T:
    """What `look` sees when it is settled, or after `patience` seconds as it is then.

    It is looked at again `pause` seconds after each look. An exception of those in `unanswered` is
    a look that saw nothing: the last look's is raised.
    """

    def last(state: RetryCallState) -> T:
        assert state.outcome is not None
        seen: T = state.outcome.result()
        return seen

    again = Retrying(
        stop=stop_after_delay(patience),
        wait=wait_fixed(pause),
        retry=retry_if_exception_type(unanswered) | retry_if_result(lambda seen: not settled(seen)),
        retry_error_callback=last,
    )
    return again(look)
