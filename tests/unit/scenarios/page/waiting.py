"""Waiting for what a thread does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)
