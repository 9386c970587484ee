"""The last output of a terminal, for browsers that come later or are slow."""

from __future__ import annotations

import threading
from collections import deque

KEPT = 256 * 1024  # bytes: some thousand lines


class Scrollback:
    """Bytes at their places in the whole output; the oldest are forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._parts: deque[bytes] = deque()
        self._begin = self._end = 0

    @property
    def end(self) -> int:
        return self._end

    def add(self, data: bytes) -> None:
        with self._lock:
            self._parts.append(data)
            self._end += len(data)
            while self._end - self._begin - len(self._parts[0]) >= self._kept:
                self._begin += len(self._parts.popleft())

    def since(self, place: int) -> tuple[bytes, int, bool]:
        """What came after a place, the place of its end, and whether some of it is forgotten.

        Then it begins with a whole line: a cut escape sequence or character is not shown.
        """
        with self._lock:
            lost = place < self._begin
            skip = max(place - self._begin, 0)
            data, end = b"".join(self._parts)[skip:], self._end
        if lost:
            data = data[data.find(b"\n") + 1 :]
        return data, end, lost
