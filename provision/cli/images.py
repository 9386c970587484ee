"""The verb `images.save`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from provision.lab import load, lock
from provision.lifecycle import applied, export, running
from provision.plugins import privileges
from provision.support import terminal
from provision.support.progress import Progress


def save(lab_file: str, to: str, machine: str, grant: Iterable[str]) -> None:
    """Save a running lab's images as archives, for labs without a registry."""
    lab, progress = applied.current(load.load_lab(lab_file)), Progress()
    ready = running.ready(lab)
    plan = lab.machine(machine) if machine else lab.managers[0]
    folder = Path(to) if to else lab.home / "archives"
    with (
        lock.holding(lab.state, "images.save"),
        running.machines_of(lab) as machines,
        progress,
    ):
        saved = export.save(
            lab, machines[plan.name], ready.image, folder, privileges.granted(grant), progress
        )
    for file in saved.files:
        progress.say(f"saved {os.path.relpath(file)}")
    terminal.say(f"In the lab.toml of a lab without a registry:\n\n{saved.hint}")
