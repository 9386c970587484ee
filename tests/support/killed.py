"""A scenario that ends as one that is killed does: in the middle, with nothing cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from scenarios.kit import runner
from scenarios.kit.scenario import StepPlan


class Killed(BaseException):
    """Stands for the end of the process, so that nothing in it may catch this."""


@contextmanager
def killed_before(number: str) -> Iterator[Callable[[StepPlan], None]]:
    """A `before_step` for `run.run`, which ends the block before that step."""

    def end(*_: object) -> None:
        raise Killed

    def before(plan: StepPlan) -> None:
        if plan.number == number:
            end()

    with mock.patch.object(runner, "_clean", end):
        try:
            yield before
        except Killed:
            return
    raise AssertionError(f"it went on without a step {number}")
