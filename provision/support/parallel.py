"""The same work on several machines at once; every error is gathered, none hides another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import ContextVar
from typing import Protocol, TypeVar

from provision.support.errors import MachinesError, UserError
from provision.support.progress import Progress

# The work is waiting for machines, not computing: a lab of twenty goes in one wave.
AT_A_TIME = 20


class Named(Protocol):
    @property
    def name(self) -> str: ...


M = TypeVar("M", bound=Named)
R = TypeVar("R")


_limit: ContextVar[int] = ContextVar("limit", default=AT_A_TIME)


@contextlib.contextmanager
def at_most(limit: int | None) -> Iterator[None]:
    """Limit how many machines are worked on at a time while the block runs; None leaves it as it is.

    Raises UserError for less than one.
    """
    if limit is not None and limit < 1:
        raise UserError(f"--parallel: given {limit}; allowed: a whole number, 1 or more")
    token = _limit.set(limit or _limit.get())
    try:
        yield
    finally:
        _limit.reset(token)


def run_on_all(
    what: str,
    machines: Iterable[M],
    work: Callable[[M], R],
    progress: Progress | None = None,
) -> dict[str, R]:
    """`work(machine)` on all machines at once (see `at_most`); the results by machine's name.

    One machine's failure stops no other. Raises MachinesError when all are done, with each
    failed machine's own error and the names of those that went well. Ctrl-C does not wait.
    """
    todo = list(machines)
    results: dict[str, R] = {}
    failures: dict[str, BaseException] = {}
    workers = min(_limit.get(), len(todo))
    pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix=what)
    try:
        futures = {pool.submit(work, machine): machine.name for machine in todo}
        for future in as_completed(futures):
            name = futures[future]
            error = future.exception()
            if error is None:
                results[name] = future.result()
            else:
                failures[name] = error
                if progress:
                    progress.failed(name, f"{what} failed")
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    order = [machine.name for machine in todo]
    if failures:
        raise MachinesError(
            what,
            {name: failures[name] for name in order if name in failures},
            [name for name in order if name in results],
        )
    return {name: results[name] for name in order}
