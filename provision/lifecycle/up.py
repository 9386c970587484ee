"""`up`: from whatever state is found to a ready swarm."""

from __future__ import annotations

import json
from dataclasses import asdict

from provision.changes import journal
from provision.lab import lockfile
from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.lifecycle import checkpoints, lock, provision
from provision.machine import login
from provision.machine.machine import Machine, connected
from provision.plugins import archive
from provision.providers import select
from provision.providers.base import Provider
from provision.providers.boxes import locked
from provision.support.files import write_atomic
from provision.support.progress import Progress


def up(lab: Lab, progress: Progress, trust_new: bool = False, adopt_swarm: bool = False) -> Ready:
    """From whatever is there to a ready swarm: boot, Docker, images, swarm.

    It looks first and does what is missing, so a second call changes nothing and an interrupted
    one is gone on with. With `trust_new` the keys of existing hosts that are not known yet are
    written down unasked; with `adopt_swarm` a swarm that they are in already is used. Raises
    UserError, MachineError or MachinesError.
    """
    with holding(lab.state, "up"):
        provider, notes = select.choose(lab, progress, trust_new)
        for note in notes:
            progress.say(note)
        if lab.weave and lab.weave.archive:
            # One that is none is told before anything boots.
            archive.read_archive(lab.weave.archive)
        # `destroy` must find its way when the file is gone or broken by then. It can hold secrets.
        write_atomic(lab.state / "lab.toml", lab.file.read_bytes(), mode=0o600)
        with progress:
            checkpoints.finish_interrupted(lab, provider, progress)
            provider.up(progress)
            with connected(lab, provider.endpoints()) as machines:
                ready = _provision(lab, provider, machines, notes, progress, adopt_swarm)
            write_atomic(lab.state / "ready.json", json.dumps(asdict(ready), indent=2) + "\n")
            checkpoints.keep_ready(lab, provider, progress)
        seen = lockfile.of_up(ready.made)
        if seen.box:
            # One that was downloaded is there only now.
            locked.check_box(lab, provider.name, *(provider.box() or ("", "")))
        for line in lock.keep(lab, provider.name, seen):
            progress.say(line)
        return ready


def _wanted(lab: Lab, provider: Provider) -> provision.Wanted:
    return provision.Wanted(
        lockfile.engine_wanted(lab, provider.name), lockfile.image_wanted(lab, provider.name)
    )


def _provision(
    lab: Lab,
    provider: Provider,
    machines: dict[str, Machine],
    notes: list[str],
    progress: Progress,
    adopt: bool,
) -> Ready:
    login.reach(machines, progress)
    choice, engines = provision.provision(
        lab, machines, journal.of_lab(lab), progress, _wanted(lab, provider), adopt
    )
    note = f"image {choice.reference}: {choice.why}"
    progress.say(note)
    made = asdict(lock.observe(lab, provider, machines, engines, choice.reference))
    return Ready(provider.name, choice.reference, [*notes, note], engines, made)
