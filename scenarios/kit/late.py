"""A swarm's manager that answers too late: what it was told may have been done, or not.

The engine waits 20 s for it, which an emulated machine or a busy computer exceeds now and then.
Then a person looks, and types the command again; so do we, and the record has both.
Source: moby, daemon/cluster/cluster.go (swarmRequestTimeout); moby/moby#29087.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from provision.machine.machine import Result

TRIES = 3
_LATE = re.compile(r"code = (DeadlineExceeded|4)\b|context deadline exceeded")
_REMOVES = re.compile(r"\bdocker \w+ (rm|remove)\b")
# What the engine says of a second create, and of a second remove.
_EXISTS = re.compile(r"already exists|name conflicts", re.IGNORECASE)
_GONE = re.compile(r"not found|no such", re.IGNORECASE)


def answered_late(result: Result) -> bool:
    """Whether a command has failed because the manager did not answer in time."""
    return not result.ok and bool(_LATE.search(result.stderr))


def repeated(run: Callable[[], Result], tell: Callable[[str], None]) -> tuple[Result, bool]:
    """Run a command until the manager answers it, `TRIES` times at most.

    Returns the last result, and whether it was done by a try before: then the last one has failed
    because of that.
    """
    result = run()
    for _ in range(TRIES - 1):
        if not answered_late(result):
            break
        tell("         the swarm's manager answered too late: the command is run again")
        result = run()
        if not result.ok and _was_done(result):
            return result, True
    return result, False


def _was_done(again: Result) -> bool:
    words = _GONE if _REMOVES.search(again.command) else _EXISTS
    return bool(words.search(again.stderr))
