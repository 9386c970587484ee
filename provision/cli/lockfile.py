"""The verb `lock`: what differs from swarmrig.lock."""

from __future__ import annotations

import json
from dataclasses import asdict

from provision.lab import load, lockfile
from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lifecycle import running
from provision.lifecycle.lock import with_tools
from provision.providers.vagrant import plan
from provision.support import terminal


def show(lab_file: str, update: bool) -> None:
    """Show how the lab differs from swarmrig.lock; with `update` lock the current versions."""
    lab = load.load_lab(lab_file)
    if not lab.files.ready.exists():
        _lock_of_none(lab, update)
        return
    ready = running.ready(lab)
    seen = with_tools(lockfile.of_up(ready.made), ready.provider)
    locked = lockfile.read(lab, ready.provider)
    if update:
        with holding(lab.state, "lock --update"):
            lockfile.write(lab, ready.provider, seen)
    for line in lockfile.differences(locked, seen) if locked else ["nothing is locked yet"]:
        terminal.say(line)
    where = f"{lockfile.NAME}, {lab.name}, {lockfile.place(ready.provider)}"
    terminal.say(
        f"{where}: {'written' if update else 'see above' if locked != seen else 'all the same'}"
    )


def _lock_of_none(lab: Lab, update: bool) -> None:
    """Nothing can be compared while the lab is not up; an update lets the next `up` choose."""
    provider = "hosts"
    if lab.provider != "hosts":
        provider, _ = plan.choose_provider(lab)
    where = f"{lockfile.NAME}, {lab.name}, {lockfile.place(provider)}"
    locked = lockfile.read(lab, provider)
    if update:
        lockfile.write(lab, provider, None)
        terminal.say(f"{where}: entry removed; the next `inv up` writes a new one")
    elif locked:
        terminal.say(f"{where}:\n{json.dumps(asdict(locked), indent=2)}")
    else:
        terminal.say(f"{where}: nothing is locked yet")
