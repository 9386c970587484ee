"""What threads have to tell, for the coroutines that send it to browsers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any


class Bell:
    """Wakes coroutines from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextlib.contextmanager
    def hearing(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set whenever the bell rings."""
        event = asyncio.Event()
        with self._lock:
            self._heard[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self._lock:
                del self._heard[event]

    def ring(self) -> None:
        with self._lock:
            heard = list(self._heard.items())
        for event, loop in heard:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(event.set)


class Board:
    """The newest value of each kind, for browsers that come and go."""

    def __init__(self) -> None:
        self.bell = Bell()
        self._lock = threading.Lock()
        self._count = 0
        self._notes: dict[str, tuple[int, Any]] = {}

    def put(self, kind: str, value: Any) -> None:
        """Note a value; nothing is told where it is the same as before."""
        with self._lock:
            before = self._notes.get(kind)
            if before and before[1] == value:
                return
            self._count += 1
            self._notes[kind] = (self._count, value)
        self.bell.ring()

    def since(self, count: int) -> tuple[int, dict[str, Any]]:
        """What was noted after the `count`-th note, and the number of the newest one."""
        with self._lock:
            news = {kind: value for kind, (at, value) in self._notes.items() if at > count}
            return self._count, news
