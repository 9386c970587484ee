"""The verbs of a lab: up, destroy, rebuild, ssh."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

from provision.lab import load, lockfile
from provision.lab.model import Lab
from provision.lab.state import LabState
from provision.lifecycle import applied, dry_run, running
from provision.lifecycle import destroy as destroying
from provision.lifecycle import rebuild as rebuilding
from provision.lifecycle import up as bringing_up
from provision.ssh import client_config
from provision.support.errors import DefinitionError, UserError
from provision.support.parallel import at_most
from provision.support.progress import Progress


def up(
    lab_file: str,
    parallel: int = 0,
    trust_new: bool = False,
    adopt_swarm: bool = False,
    recover_swarm: bool = False,
    dry: bool = False,
) -> None:
    lab = load.load_lab(lab_file)
    progress = Progress()
    with at_most(parallel or None):
        if dry:
            print(dry_run.dry_run(lab, progress, adopt_swarm, recover_swarm))
            return
        ready = bringing_up.up(lab, progress, trust_new, adopt_swarm, recover_swarm)
    engines = ", ".join(sorted(set(ready.engines.values())))
    progress.say(f"Lab {lab.name!r} is up: {len(lab.machines)} machines, Docker {engines}.")


def destroy(lab_file: str, name: str, purge: bool = False, parallel: int = 0) -> None:
    progress = Progress()
    lab = _lab_to_destroy(load.find_file(lab_file), name)
    with at_most(parallel or None):
        removed = destroying.destroy(lab, progress, purge)
    for what in removed:
        progress.say(f"removed {what}")
    progress.say(f"Lab {lab.name!r} is gone." if removed else f"Lab {lab.name!r} was not there.")
    others = sorted(path.name for path in lab.home.glob(".swarmrig/*/") if path != lab.state)
    if others and not removed:
        progress.say(f"Labs in this folder: {', '.join(others)} (inv destroy --name {others[0]})")
    kept = [path for path in (lab.reports, lab.home / lockfile.NAME) if path.exists()]
    if removed and kept:
        progress.say(f"kept: {', '.join(os.path.relpath(path) for path in kept)}")


def _lab_to_destroy(file: Path, name: str) -> Lab:
    """The lab of the file; if that is gone, broken, or has another name by now, the lab as `up`
    kept it. Raises DefinitionError or UserError where several labs can be meant."""
    folders = {path.name: path for path in file.parent.glob(".swarmrig/*/")}
    there = sorted(folders)
    try:
        lab = load.load(file)
        if name in {"", lab.name}:
            return lab
    except DefinitionError:
        if not name and len(there) != 1:
            if there:
                raise UserError(
                    f"{file.name} cannot be read, and there are labs {', '.join(there)} here.",
                    f"Say which: inv destroy --name {there[0]}",
                ) from None
            raise
        name = name or there[0]
    for copy in LabState(folders[name]).definitions if name in folders else []:
        with contextlib.suppress(DefinitionError):
            return load.load_copy(copy, file)
    return load.remains(name, file)


def rebuild(lab_file: str, cold: bool) -> None:
    progress = Progress()
    lab = load.load_lab(lab_file)
    begin = time.monotonic()
    rebuilding.rebuild(lab, progress, cold)
    progress.say(f"Lab {lab.name!r} is up again, after {time.monotonic() - begin:.1f} s.")


def ssh(lab_file: str, machine: str, command: str) -> int:
    """The user's own ssh client on a machine of the lab; its exit code."""
    lab = applied.current(load.load_lab(lab_file))
    plan = lab.machine(machine)
    with running.machines_of(lab, looks=True) as machines:
        end = machines[plan.name].endpoint
    return subprocess.call(["ssh", *client_config.client_of(end), *([command] if command else [])])
