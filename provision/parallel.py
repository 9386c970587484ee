"""The same work on several machines at once; every error is gathered, none hides another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol, TypeVar

from provision.errors import MachinesError
from provision.progress import Progress


class Named(Protocol):
    @property
    def name(self) -> str: ...


M = TypeVar("M", bound=Named)
R = TypeVar("R")


def each(
    what: str,
    machines: Iterable[M],
    work: Callable[[M], R],
    progress: Progress | None = None,
    limit: int = 10,
) -> dict[str, R]:
    """`work(machine)` on all machines, at most `limit` at a time; the results by machine's name.

    One machine's failure stops no other. Raises MachinesError when all are done, with each
    failed machine's own error and the names of those that went well. Ctrl-C does not wait.
    """
    todo = list(machines)
    results: dict[str, R] = {}
    failures: dict[str, BaseException] = {}
    pool = ThreadPoolExecutor(max_workers=max(1, min(limit, len(todo))), thread_name_prefix=what)
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
