"""One command at a time on a lab: the second says who holds it, and does not wait."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from provision.support.errors import UserError
from provision.support.files import sweep, write_atomic

LOCK = "lab.lock"
HOLDER = "holder.json"
_held: set[Path] = set()


@contextlib.contextmanager
def holding(state: Path, verb: str) -> Iterator[None]:
    """Hold the lab whose state folder is given. Raises UserError that says who holds it.

    The lock is the operating system's (flock, or its like on Windows): it ends with the process,
    however that ends. Inside the block the same process may hold the lab again, so that verbs can
    be made of verbs. What a killed command has half written is removed first, for only the holder
    writes. A state folder in which nothing is left but the lock goes with it.
    """
    if state in _held:
        yield
        return
    state.mkdir(parents=True, exist_ok=True)
    holder = state / HOLDER
    lock = FileLock(state / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = {}
        with contextlib.suppress(OSError, json.JSONDecodeError):
            who = json.loads(holder.read_text())
        raise UserError(
            f"Lab {state.name!r} is held by `inv {who.get('verb', '…')}` "
            f"(process {who.get('pid', 'unknown')}, since {who.get('since', 'a moment ago')}).",
            "Wait until it has ended, or end it, and try again.",
        ) from None
    _held.add(state)
    try:
        sweep(state, "*", "*/*")
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_atomic(holder, json.dumps({"verb": verb, "pid": os.getpid(), "since": since}))
        yield
    finally:
        _held.discard(state)
        holder.unlink(missing_ok=True)
        _leave(state, lock)


def _leave(state: Path, lock: FileLock) -> None:
    """Release; of a lab that is gone, the folder and the one above it go as well."""
    gone = [path.name for path in state.iterdir()] == [LOCK]
    if gone and os.name == "posix":
        # While it is held: who has opened this very file meanwhile sees that its name is gone.
        (state / LOCK).unlink()
    lock.release()
    if gone:
        with contextlib.suppress(OSError):
            (state / LOCK).unlink(missing_ok=True)
            state.rmdir()
            state.parent.rmdir()


def is_held(state: Path) -> bool:
    """Whether a command holds the lab just now."""
    if not (state / LOCK).exists():
        return False
    lock = FileLock(state / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
