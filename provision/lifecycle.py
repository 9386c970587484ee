"""The order of things: up, destroy, rebuild, status. Each can be said again from any state."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provision import (
    changes,
    checkpoints,
    journal,
    lockfile,
    plugins,
    provisioning,
    reaching,
    registry,
)
from provision.definition import Lab
from provision.errors import MachineError, UserError
from provision.files import write_atomic
from provision.holding import HOLDER, LOCK, holding
from provision.machine import Machine, connected
from provision.progress import Progress
from provision.providers import choosing
from provision.providers.base import Provider
from provision.providers.hosts import HostsProvider


@dataclass(frozen=True)
class Ready:
    """What `up` has brought up; kept in the lab's state as ready.json."""

    provider: str
    image: str
    notes: list[str] = field(default_factory=list)
    engines: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)


def up(lab: Lab, progress: Progress, trust_new: bool = False, adopt_swarm: bool = False) -> Ready:
    """From whatever is there to a ready swarm: boot, Docker, images, swarm.

    It looks first and does what is missing, so a second call changes nothing and an interrupted
    one is gone on with. With `trust_new` the keys of existing hosts that are not known yet are
    written down unasked; with `adopt_swarm` a swarm that they are in already is used. Raises
    UserError, MachineError or MachinesError.
    """
    with holding(lab.state, "up"):
        provider, notes = choosing.choose(lab, progress, trust_new)
        for note in notes:
            progress.say(note)
        if lab.weave and lab.weave.archive:
            # One that is none is told before anything boots.
            plugins.read_archive(lab.weave.archive)
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
            lockfile.check_box(lab, provider.name, *(provider.box() or ("", "")))
        for line in lockfile.keep(lab, provider.name, seen):
            progress.say(line)
        return ready


def dry_run(lab: Lab, progress: Progress, adopt_swarm: bool = False) -> str:
    """What `up` would do, machine by machine, as text; nothing is changed, here or there.

    Machines that run are looked at; of those that do not it is told how they would come to be.
    Raises what `up` would raise before its first change.
    """
    provider = choosing.of_state(lab)
    if lab.provider == "hosts":
        provider = HostsProvider(lab)
    states = provider.states() if provider else {}
    absent = [m.name for m in lab.machines if states.get(m.name, "absent") in {"absent", "stopped"}]
    if not provider or absent:
        from provision.providers import vagrant  # noqa: PLC0415 - needless for existing hosts

        return vagrant.foretold(lab, provider, states)
    with connected(lab, provider.endpoints()) as machines:
        reaching.reach(machines, progress, ask=lambda *_: False)
        wanted = _wanted(lab, provider)
        plan = provisioning.plan(lab, machines, journal.of_lab(lab), wanted, adopt_swarm)
    notes = [f"{name}: {what}" for name, what in plan.unknown.items()]
    image = f"image for scenarios: {plan.choice.reference} ({plan.choice.why})"
    return "\n".join([changes.told(machines, plan.changes), *notes, image])


def _wanted(lab: Lab, provider: Provider) -> provisioning.Wanted:
    return provisioning.Wanted(
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
    reaching.reach(machines, progress)
    choice, engines = provisioning.provision(
        lab, machines, journal.of_lab(lab), progress, _wanted(lab, provider), adopt
    )
    note = f"image {choice.reference}: {choice.why}"
    progress.say(note)
    made = asdict(lockfile.observe(lab, provider, machines, engines, choice.reference))
    return Ready(provider.name, choice.reference, [*notes, note], engines, made)


def ready(lab: Lab) -> Ready:
    """What the last `up` brought up. Raises UserError when there was none."""
    try:
        return Ready(**json.loads((lab.state / "ready.json").read_text()))
    except FileNotFoundError:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up") from None
    except (TypeError, json.JSONDecodeError) as error:
        raise MachineError(
            f"{lab.state / 'ready.json'} cannot be read: {error}", "Run inv up again."
        ) from None


@contextlib.contextmanager
def machines_of(lab: Lab) -> Iterator[dict[str, Machine]]:
    """The machines of a lab that is up. Raises UserError when it is not."""
    with connected(lab, provider_of(lab).endpoints()) as machines:
        yield machines


def destroy(lab: Lab, progress: Progress, purge: bool = False) -> list[str]:
    """Remove all that `up` has made, from any state, and see that it is gone; what was removed.

    Of existing hosts Docker stays, where `up` has installed it, until `purge` is asked for.
    Raises MachineError that names what is still there.
    """
    if not lab.state.exists():
        return choosing.orphans(lab)
    with holding(lab.state, "destroy"):
        try:
            provider = choosing.of_state(lab)
        except MachineError as error:
            progress.say(f"going by the lab's name alone: {error}")
            provider = None
        if purge and isinstance(provider, HostsProvider):
            provider = HostsProvider(lab, purge=True)
        removed = [] if provider else choosing.orphans(lab)
        if provider:
            with progress:
                removed = provider.destroy(progress)
                left = provider.leftovers()
            if left:
                raise MachineError(
                    f"Lab {lab.name!r} is not gone: {'; '.join(left)}.",
                    "Run inv destroy again"
                    + (
                        "." if lab.provider == "hosts" else f"; the log is {lab.state}/vagrant.log."
                    ),
                )
        # A later `destroy --purge` must still know what was there before.
        kept = {"lab.toml", "journal.json"} if journal.of_lab(lab).hosts() else set()
        _empty_state(lab.state, kept)
        if not kept:
            registry.forget(lab.state)
    return removed if kept else [*removed, f"{lab.state}"]


def _empty_state(state: Path, kept: set[str]) -> None:
    """All but `kept`, and what holds the lab: the folder itself goes when it is released."""
    # Last, what tells that there is a lab: an end in the middle leaves one that can be destroyed.
    last = ("lab.toml", "plan.json")
    for path in sorted(state.iterdir(), key=lambda path: path.name in last):
        if path.name in {LOCK, HOLDER, *kept}:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def rebuild(lab: Lab, progress: Progress, cold: bool = False) -> Ready:
    """The lab as it was when `up` had made it.

    From the checkpoint "ready" in seconds; made anew where there is none of this lab, saying why,
    or where `cold` asks for it. Raises as `up` and `destroy`.
    """
    with holding(lab.state, "rebuild"):
        provider = choosing.of_state(lab)
        why = "--cold" if cold else checkpoints.why_not_ready(lab, provider)
        if provider and not why:
            try:
                with progress:
                    checkpoints.restore(lab, provider, checkpoints.READY, progress)
                return ready(lab)
            except MachineError as error:
                why = str(error)
        progress.say(f"making the lab anew: {why}")
        destroy(lab, progress)
        return up(lab, progress)


def save_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Keep a checkpoint of a lab that is up. Raises UserError or MachineError."""
    ready(lab)
    with holding(lab.state, "checkpoint.save"), progress:
        checkpoints.save(lab, provider_of(lab), name, progress)


def restore_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Set all machines back to a checkpoint. Raises UserError where there is none of the name."""
    provider = provider_of(lab)
    with holding(lab.state, "checkpoint.restore"), progress:
        if name not in checkpoints.listed(lab, provider):
            raise checkpoints.unknown(lab, provider, name)
        checkpoints.restore(lab, provider, name, progress)


def delete_checkpoint(lab: Lab, name: str) -> None:
    """Delete a checkpoint. Raises UserError where there is none of the name."""
    provider = provider_of(lab)
    with holding(lab.state, "checkpoint.delete"):
        checkpoints.forget(lab, provider, name)


def provider_of(lab: Lab) -> Provider:
    """The provider of a lab that is there. Raises UserError where it is not."""
    provider = choosing.of_state(lab)
    if not provider:
        raise UserError(f"Lab {lab.name!r} is not up.", "Bring it up: inv up")
    return provider
