"""One command at a time on a lab: a second one says which holds it, and does not wait."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from provision.lab.state import LabState
from provision.support.errors import UserError
from provision.support.files import sweep, write_atomic

_held: set[Path] = set()


@contextlib.contextmanager
def holding(state: Path, verb: str) -> Iterator[None]:
    """Hold the lab whose state folder is given. Raises UserError that says what holds it.

    The lock is the operating system's (flock, or its equivalent on Windows), and is released when
    the process ends, however it ends. Inside the block the same process may hold the lab again, so
    that one verb can call another. Partly written files of a killed command are removed first,
    because only the holder writes. An otherwise empty state folder is removed on release.
    """
    if state in _held:
        yield
        return
    state.mkdir(parents=True, exist_ok=True)
    files = LabState(state)
    holder = files.holder
    lock = FileLock(files.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = {}
        with contextlib.suppress(OSError, json.JSONDecodeError):
            who = json.loads(holder.read_text(encoding="utf-8"))
        raise UserError(
            f"Lab {state.name!r} is held by `inv {who.get('verb', '…')}` "
            f"(process {who.get('pid', 'unknown')}, since {who.get('since', 'a moment ago')}).",
            "Wait until it has finished, or stop it, and try again.",
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
    """Release the lock; an otherwise empty state folder is removed, and an empty one above it."""
    file = LabState(state).lock
    gone = list(state.iterdir()) == [file]
    if gone and os.name == "posix":
        # While it is held: a process that has opened this file since sees that its name is gone.
        file.unlink()
    lock.release()
    if gone:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
            state.rmdir()
            state.parent.rmdir()


def is_held(state: Path) -> bool:
    """Whether a command holds the lab now."""
    file = LabState(state).lock
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
