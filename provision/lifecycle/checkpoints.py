"""Checkpoints of a whole lab: saved and restored on all machines at once, with clocks and swarm.

The provider's own list decides which checkpoints exist; `checkpoint_notes` adds what it cannot
know. Saving and restoring are of the lab as it was brought up, not of an edited lab.toml.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from datetime import datetime

from provision.engine import clock
from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lifecycle import applied, checkpoint_notes, running
from provision.lifecycle.checkpoint_notes import Kept, fingerprint, noted
from provision.machine.machine import Machine, connected
from provision.providers.base import Checkpoints, Provider
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.swarm import converge

READY = "ready"
# What every provider accepts as a snapshot's name, and every shell as a word.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def checked(name: str) -> str:
    """A checkpoint's name. Raises UserError that says what is allowed."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"A checkpoint cannot be called {name!r}.",
            "Allowed: 1 to 40 lower-case letters, digits and dashes, no dash first.",
        )
    return name


# -- the verbs --------------------------------------------------------------------------------


def save_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Save a checkpoint of a lab that is up. Raises UserError or MachineError."""
    running.ready(lab)
    with holding(lab.state, "checkpoint.save"), progress:
        lab = applied.current(lab)
        save(lab, running.provider_of(lab), name, progress)


def restore_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Reset all machines to a checkpoint. Raises UserError if it does not exist."""
    lab = applied.current(lab)
    provider = running.provider_of(lab)
    with holding(lab.state, "checkpoint.restore"), progress:
        if name not in listed(lab, provider):
            raise unknown(lab, provider, name)
        restore(lab, provider, name, progress)


def delete_checkpoint(lab: Lab, name: str) -> None:
    """Delete a checkpoint. Raises UserError if it does not exist."""
    lab = applied.current(lab)
    provider = running.provider_of(lab)
    with holding(lab.state, "checkpoint.delete"):
        forget(lab, provider, name)


# -- listing ----------------------------------------------------------------------------------


def listed(lab: Lab, provider: Provider) -> dict[str, Kept | None]:
    """The checkpoints that can be restored, oldest first; None for one made by other means.

    Raises UserError if the provider supports none.
    """
    kept = of_provider(provider)
    notes = noted(lab)
    return {
        name: notes.get(name) for name in kept.names() if name not in notes or notes[name].whole
    }


def of_provider(provider: Provider) -> Checkpoints:
    """The provider's checkpoints. Raises UserError with the reason where it keeps none."""
    if provider.checkpoints is None:
        raise UserError(provider.no_checkpoints, "`inv rebuild` still works: it recreates the lab.")
    return provider.checkpoints


def unknown(lab: Lab, provider: Provider, name: str) -> UserError:
    there = ", ".join(listed(lab, provider)) or "none"
    return UserError(
        f"Lab {lab.name!r} has no checkpoint {name!r} on all its machines.", f"There are: {there}."
    )


# -- saving -----------------------------------------------------------------------------------


def save(lab: Lab, provider: Provider, name: str, progress: Progress) -> None:
    """Save a checkpoint of a lab that is up, replacing one of that name.

    The machines are suspended for seconds, and their clocks are set afterwards. Raises UserError
    or MachineError.
    """
    checkpoints = of_provider(provider)
    states = provider.states()
    if lame := [name for name, state in states.items() if state not in {"running", "unknown"}]:
        raise UserError(
            f"{', '.join(lame)}: {states[lame[0]]}; a checkpoint needs all machines running.",
            "Bring the lab up first: inv up",
        )
    kept = Kept(
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        lab=fingerprint(lab),
        machines=provider.identities(),
        ready=json.loads(lab.files.ready.read_text(encoding="utf-8")),
        addresses=checkpoint_notes.addresses(lab),
    )
    # Noted as begun: an interrupted save is not a checkpoint of one moment.
    checkpoint_notes.write(lab, name, kept)
    checkpoints.save(name, progress)
    checkpoint_notes.write(lab, name, dataclasses.replace(kept, whole=True))
    with connected(lab, provider.endpoints()) as machines:
        run_on_all("setting the clock", machines.values(), clock.set_to_ours, progress)


def keep_ready(lab: Lab, provider: Provider, progress: Progress) -> None:
    """Save "ready" after an `up`, unless it exists for this very lab; never an error of `up`.

    `lab` is the definition that was applied.
    """
    if provider.checkpoints is None or not _stale(lab, provider):
        return
    for machine in lab.machines:
        progress.phase(machine.name, "saving the checkpoint 'ready'")
    try:
        save(lab, provider, READY, progress)
    except MachineError as error:
        progress.say(f"no checkpoint could be saved, so a rebuild recreates the lab: {error}")
    for machine in lab.machines:
        progress.done(machine.name, "Ready in the swarm")


def _stale(lab: Lab, provider: Provider) -> str:
    """Why there is no "ready" of the lab as it is now; "" where there is."""
    kept = noted(lab).get(READY)
    if kept is None or not kept.whole:
        return "no checkpoint 'ready' was saved"
    if kept.lab != fingerprint(lab):
        return f"{lab.file.name} has changed since the checkpoint 'ready' was saved"
    if kept.machines != provider.identities():
        return "a machine was recreated since the checkpoint 'ready' was saved"
    return ""


def why_not_ready(lab: Lab, provider: Provider | None) -> str:
    """Why "ready" cannot be restored; "" where it can."""
    if provider is None:
        return "the lab is not up"
    if provider.checkpoints is None:
        return provider.no_checkpoints
    if stale := _stale(lab, provider):
        return stale
    return "" if READY in provider.checkpoints.names() else "the provider has no checkpoint 'ready'"


# -- restoring --------------------------------------------------------------------------------


def restore(lab: Lab, provider: Provider, name: str, progress: Progress) -> None:
    """Reset all machines, set their clocks, and wait for a healthy swarm. Raises MachineError.

    An interrupted restore is finished by the next `up`, `rebuild` or restore.
    """
    write_atomic(lab.files.restoring, json.dumps({"name": name}))
    # What was typed on the machines is gone with what it made.
    shutil.rmtree(lab.files.exercises, ignore_errors=True)
    for machine in lab.machines:
        progress.phase(machine.name, f"restoring {name!r}")
    of_provider(provider).restore(name, progress)
    # So are the faults that were there; of one that comes back with the machines, they tell.
    lab.files.faults.unlink(missing_ok=True)
    with connected(lab, provider.endpoints()) as machines:

        def wake(machine: Machine) -> None:
            progress.phase(machine.name, "logging in")
            machine.connect()
            clock.set_to_ours(machine)

        run_on_all("setting the clock", machines.values(), wake, progress)
        converge.converge(lab, machines, progress)
    checkpoint_notes.restored(lab, name)
    lab.files.restoring.unlink(missing_ok=True)


def finish_interrupted(lab: Lab, provider: Provider, progress: Progress) -> None:
    """Resume an interrupted restore: until then, the machines are of different times."""
    file = lab.files.restoring
    try:
        name = json.loads(file.read_text(encoding="utf-8"))["name"]
    except FileNotFoundError:
        return
    except (KeyError, ValueError):
        file.unlink()
        return
    if provider.checkpoints is not None and name in listed(lab, provider):
        progress.say(f"resuming the interrupted restore of checkpoint {name!r}")
        restore(lab, provider, name, progress)
    else:
        file.unlink()


def forget(lab: Lab, provider: Provider, name: str) -> None:
    """Delete a checkpoint, incomplete ones too. Raises UserError if it does not exist."""
    checkpoints = of_provider(provider)
    if name not in noted(lab) and name not in checkpoints.names():
        raise unknown(lab, provider, name)
    checkpoints.forget(name)
    checkpoint_notes.forget(lab, name)
