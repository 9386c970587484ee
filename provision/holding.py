"""One command at a time on a lab: the second says who holds it, and does not wait."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from provision.errors import UserError
from provision.files import write_atomic


@contextlib.contextmanager
def holding(state: Path, verb: str) -> Iterator[None]:
    """Hold the lab whose state folder is given. Raises UserError that says who holds it.

    The lock is the operating system's (flock, or its like on Windows): it ends with the process,
    however that ends.
    """
    state.mkdir(parents=True, exist_ok=True)
    holder = state / "holder.json"
    lock = FileLock(state / "lab.lock")
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
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_atomic(holder, json.dumps({"verb": verb, "pid": os.getpid(), "since": since}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
