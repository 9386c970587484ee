"""A progress that no terminal sees."""

from __future__ import annotations

import io

from rich.console import Console

from provision.support.progress import Progress


def quiet(told: io.StringIO | None = None) -> Progress:
    """A progress whose lines go to `told`, or nowhere."""
    return Progress(Console(file=told or io.StringIO()))
