"""`up`: from whatever state is found to a ready swarm."""

from __future__ import annotations

import json
from dataclasses import asdict

from provision.changes import journal
from provision.diagnostics import disk, uplink
from provision.lab import lockfile, proxy
from provision.lab.lock import holding
from provision.lab.lockfile import Locked
from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.lifecycle import applied, checkpoints, edit, lock, provision
from provision.machine import login
from provision.machine.machine import connected
from provision.plugins import archive
from provision.providers import select
from provision.providers.base import Provider
from provision.providers.boxes import locked
from provision.support.files import write_atomic
from provision.support.progress import Progress
from provision.swarm.plan import Allowed


def up(
    lab: Lab,
    progress: Progress,
    trust_new: bool = False,
    adopt_swarm: bool = False,
    recover_swarm: bool = False,
) -> Ready:
    """Bring the lab to a ready swarm from any state: boot, Docker, images, swarm.

    It looks first and does what is missing, so a second call changes nothing and an interrupted
    one is resumed. What lab.toml changes in an existing lab is shown first, then applied, or
    refused. With `trust_new` unknown host keys of existing hosts are accepted without asking; with
    `adopt_swarm` a swarm that they are in already is used. A swarm of the lab's own that has lost
    its quorum is recovered only with `recover_swarm`. Raises UserError, MachineError or
    MachinesError.
    """
    allowed = Allowed(adopt_swarm, recover_swarm)
    with holding(lab.state, "up"):
        locks = lockfile.load(lab)
        edited = _look(lab, progress)
        edit.forget_plan(edited)
        # Boxes and images are downloaded or built through the lab's proxy, and so does Vagrant.
        with proxy.in_environment(lab):
            provider, notes = select.choose(lab, progress, trust_new, locks)
        if hint := proxy.hint(lab):
            progress.say(hint)
        for note in [*notes, *edited.lines()]:
            progress.say(note)
        if lab.weave and lab.weave.archive:
            # An invalid one is reported before anything boots.
            archive.read_archive(lab.weave.archive)
        applied.begin(lab, edited.old)
        with progress:
            edit.apply(edited, provider, progress, recover_swarm)
            provider.up(progress)
            ready = _provision(lab, provider, locks, progress, allowed)
            ready = Ready(**{**asdict(ready), "notes": [*notes, *ready.notes]})
            write_atomic(lab.files.ready, json.dumps(asdict(ready), indent=2) + "\n")
            # Only now: a checkpoint and a lock are of a definition that was applied.
            applied.finish(lab)
            checkpoints.keep_ready(lab, provider, progress)
        _keep_lock(lab, provider, locks, ready, progress)
        return ready


def _look(lab: Lab, progress: Progress) -> edit.Edit:
    """What lab.toml changes, after an interrupted restoring of a checkpoint is finished."""
    edited = edit.look(lab)
    if not lab.files.restoring.exists():
        return edited
    was = applied.current(lab)
    if there := select.of_state(was):
        with progress:
            checkpoints.finish_interrupted(was, there, progress)
    return edit.look(lab)


def wanted(lab: Lab, provider: Provider, locks: Locked) -> provision.Wanted:
    """The engine and the image to install: as locked, else as in lab.toml."""
    entry = locks.of(provider.name)
    return provision.Wanted(lockfile.engine_wanted(lab, entry), lockfile.image_wanted(entry))


def _provision(
    lab: Lab, provider: Provider, locks: Locked, progress: Progress, allowed: Allowed
) -> Ready:
    want = wanted(lab, provider, locks)
    with connected(lab, provider.endpoints()) as machines:
        login.reach(machines, progress)
        disk.check(machines)
        with disk.explaining(machines), uplink.explaining(lab, provider.name):
            choice, engines = provision.provision(
                lab, machines, journal.of_lab(lab), progress, want, allowed
            )
        note = f"image {choice.reference}: {choice.why}"
        progress.say(note)
        made = asdict(lock.observe(lab, provider, machines, engines, choice.reference))
    return Ready(provider.name, choice.reference, [note], engines, made)


def _keep_lock(
    lab: Lab, provider: Provider, locks: Locked, ready: Ready, progress: Progress
) -> None:
    seen, entry = lockfile.of_up(ready.made), locks.of(provider.name)
    if seen.box:
        # A box that was downloaded can be compared only now.
        locked.check_box(lab, provider.name, provider.box() or ("", ""), entry)
    for line in lock.keep(lab, provider.name, seen, entry):
        progress.say(line)
