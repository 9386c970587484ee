"""Checkpoints of a whole lab: saved and restored on all machines, clocks and swarm included.

The provider's own list decides which there are. Beside it, `checkpoints/<name>.json` in the lab's
state folder notes what the provider cannot know: of which lab.toml a checkpoint is, and what `up`
had brought up.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from provision.lab.model import Lab
from provision.machine.machine import Machine, connected
from provision.providers.base import Checkpoints, Provider
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.swarm import converge

READY = "ready"
# What every provider takes as a snapshot's name, and every shell as a word.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Kept:
    """What is noted of a checkpoint. `lab` and `machines` are fingerprints; `ready` is ready.json's
    content; `whole` is false while the machines are being saved.
    """

    made: str
    lab: str
    machines: dict[str, str]
    ready: dict[str, Any]
    whole: bool = False


def checked(name: str) -> str:
    """A checkpoint's name. Raises UserError that says what is allowed."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"A checkpoint cannot be called {name!r}.",
            "Allowed: 1 to 40 lower-case letters, digits and dashes, no dash first.",
        )
    return name


def fingerprint(lab: Lab) -> str:
    """A short hash of all that a lab is made of: its definition and its image archives."""
    # The same definition in another folder is the same lab.
    parts = {**dataclasses.asdict(lab), "file": ""}
    parts["image_archives"] = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in lab.image_archives
        if path.is_file()
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


# -- what there is ----------------------------------------------------------------------------


def noted(lab: Lab) -> dict[str, Kept]:
    """What is noted of each checkpoint, by name."""
    found = {}
    for file in sorted(_folder(lab).glob("*.json")):
        try:
            found[file.stem] = Kept(**json.loads(file.read_text()))
        except (TypeError, ValueError) as error:
            raise MachineError(
                f"{file} cannot be read: {error}", "Remove it, and save the checkpoint again."
            ) from None
    return found


def listed(lab: Lab, provider: Provider) -> dict[str, Kept | None]:
    """The checkpoints that can be restored, oldest first; None for one made by other means.

    Raises UserError where the provider can keep none.
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


# -- keeping ----------------------------------------------------------------------------------


def save(lab: Lab, provider: Provider, name: str, progress: Progress) -> None:
    """Save a checkpoint of a lab that is up, in place of one of that name.

    The machines are suspended for seconds, and their clocks are set afterwards. Raises UserError
    or MachineError.
    """
    checkpoints = of_provider(provider)
    states = provider.states()
    if lame := [name for name, state in states.items() if state not in {"running", "unknown"}]:
        raise UserError(
            f"{', '.join(lame)}: {states[lame[0]]}; a checkpoint is saved of running machines.",
            "Bring the lab up first: inv up",
        )
    kept = Kept(
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        lab=fingerprint(lab),
        machines=provider.identities(),
        ready=json.loads((lab.state / "ready.json").read_text()),
    )
    # Noted as begun: an end in the middle must not be taken for a checkpoint of one moment.
    _note(lab, name, kept)
    checkpoints.save(name, progress)
    _note(lab, name, dataclasses.replace(kept, whole=True))
    with connected(lab, provider.endpoints()) as machines:
        run_on_all("setting the clock", machines.values(), set_clock, progress)


def keep_ready(lab: Lab, provider: Provider, progress: Progress) -> None:
    """Save "ready" after an `up`, unless this lab has one already; never an error of `up`."""
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
    """Why "ready" cannot be restored, in words; "" where it can."""
    if provider is None:
        return "the lab is not up"
    if provider.checkpoints is None:
        return provider.no_checkpoints
    if stale := _stale(lab, provider):
        return stale
    return "" if READY in provider.checkpoints.names() else "the provider has no checkpoint 'ready'"


# -- restoring --------------------------------------------------------------------------------


def restore(lab: Lab, provider: Provider, name: str, progress: Progress) -> None:
    """All machines as they were, clocks set, and the swarm healthy. Raises MachineError.

    An end in the middle is finished by the next `up`, `rebuild` or restore.
    """
    write_atomic(_journal(lab), json.dumps({"name": name}))
    for machine in lab.machines:
        progress.phase(machine.name, f"restoring {name!r}")
    of_provider(provider).restore(name, progress)
    with connected(lab, provider.endpoints()) as machines:

        def wake(machine: Machine) -> None:
            progress.phase(machine.name, "logging in")
            machine.connect()
            set_clock(machine)

        run_on_all("setting the clock", machines.values(), wake, progress)
        converge.converge(lab, machines, progress)
    kept = noted(lab).get(name)
    if kept:
        write_atomic(lab.state / "ready.json", json.dumps(kept.ready, indent=2) + "\n")
    _journal(lab).unlink(missing_ok=True)


def finish_interrupted(lab: Lab, provider: Provider, progress: Progress) -> None:
    """Resume an interrupted restore: until then, machines are of different moments."""
    try:
        name = json.loads(_journal(lab).read_text())["name"]
    except FileNotFoundError:
        return
    except (KeyError, ValueError):
        _journal(lab).unlink()
        return
    if provider.checkpoints is not None and name in listed(lab, provider):
        progress.say(f"resuming the interrupted restore of checkpoint {name!r}")
        restore(lab, provider, name, progress)
    else:
        _journal(lab).unlink()


def forget(lab: Lab, provider: Provider, name: str) -> None:
    """Delete a checkpoint, half-made ones too. Raises UserError where there is none."""
    checkpoints = of_provider(provider)
    if name not in noted(lab) and name not in checkpoints.names():
        raise unknown(lab, provider, name)
    checkpoints.forget(name)
    (_folder(lab) / f"{name}.json").unlink(missing_ok=True)


def unknown(lab: Lab, provider: Provider, name: str) -> UserError:
    there = ", ".join(listed(lab, provider)) or "none"
    return UserError(
        f"Lab {lab.name!r} has no checkpoint {name!r} on all its machines.", f"There are: {there}."
    )


def set_clock(machine: Machine) -> None:
    """Set a machine's clock to this host's: it has stood still, or is that of the checkpoint.

    To within the time that a command takes to arrive. Source: date(1), -s @SECONDS.
    """
    machine.connect()
    machine.run_checked(f"date -u -s @{time.time():.3f}", 30, sudo=True)


def _note(lab: Lab, name: str, kept: Kept) -> Path:
    return write_atomic(_folder(lab) / f"{name}.json", json.dumps(asdict(kept), indent=2) + "\n")


def _folder(lab: Lab) -> Path:
    return lab.state / "checkpoints"


def _journal(lab: Lab) -> Path:
    return lab.state / "restoring.json"
