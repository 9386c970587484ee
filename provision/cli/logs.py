"""The verb `logs`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from provision.diagnostics import logs
from provision.lab import load
from provision.lifecycle import applied
from provision.support import terminal
from provision.support.errors import UserError
from provision.support.progress import Progress


def collect(lab_file: str, output: str) -> None:
    """Collect redacted logs from all machines into one archive."""
    lab, progress = load.load_lab(lab_file), Progress()
    # What exists, whatever lab.toml says by now. Nothing stops the collection.
    with contextlib.suppress(UserError):
        lab = applied.existing(lab)
    with progress:
        made = logs.collect(lab, progress, Path(output) if output else None)
    terminal.say(f"{os.path.relpath(made)}: review it before you share it")
