"""Which provider, box and driver a lab of virtual machines gets."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from provision.lab import lockfile, machine_keys
from provision.lab.model import Lab, MachineSpec
from provision.providers import conflicts, forwards, naming
from provision.providers.backend import Backend
from provision.providers.backends import registry
from provision.providers.base import MachineState, Provider
from provision.providers.boxes import select, store
from provision.providers.boxes.locked import check_box
from provision.providers.boxes.recipe import recipes
from provision.providers.vagrant import requirements
from provision.providers.vagrant.provider import BOOT_LIMIT
from provision.providers.vagrant.runner import Runner
from provision.providers.vagrant.template import Plan
from provision.support import architecture, cache
from provision.support.errors import DefinitionError, MachineError, UserError
from provision.support.progress import Progress

# Seconds within which a machine has to boot.
_BOOT, _EMULATED_BOOT = 600, 900


def plan(lab: Lab, progress: Progress, locks: lockfile.Locked | None = None) -> Plan:
    """Choose provider, box and driver for a lab that has none yet; its notes give the reasons.

    Raises UserError that names what is missing, before anything boots.
    """
    name, why = choose_provider(lab)
    backend = registry.backend(name)
    conflicts.check(lab, name)
    locked = (locks or lockfile.load(lab)).of(name)
    refuse_keys(lab, name)
    select.check_machines(lab, name)
    own = backend.own_image(lab, progress.say)
    box = own or _box(lab, backend, progress, locked)
    # After the box: a box built here brings the kernel that KVM is tried with.
    acceleration = backend.acceleration()
    notes = [
        f"provider {name}: {why}",
        *requirements.memory_warnings(lab),
        f"image {own.name} {own.version}: {own.why}" if own else f"box {box.name}: {box.why}",
        *(own.notes if own else ()),
    ]
    if acceleration:
        kind = "KVM" if acceleration.fast else "emulation (slow: minutes, not seconds)"
        notes.append(f"{kind}: {acceleration.why}")
    return Plan(
        provider=name,
        box=box.name,
        box_version=box.version,
        prefix=naming.prefix(lab.name),
        network=naming.network(lab.name),
        driver=acceleration.driver if acceleration else "kvm",
        architecture=architecture.debian_architecture(),
        firmware=backend.firmware(),
        boot_timeout=_EMULATED_BOOT if acceleration and not acceleration.fast else _BOOT,
        metadata=backend.hands_over_metadata and _takes_metadata(box.name, box.version),
        guest="debian" if own or select.is_debian(backend, box.name) else "",
        notes=tuple(notes),
    )


def _takes_metadata(box: str, version: str | None) -> bool:
    """Whether a box is one as it is built today: an older one may take none."""
    recipe = recipes().get(box)
    return recipe is not None and recipe.version == version


def _box(
    lab: Lab, backend: Backend, progress: Progress, locked: lockfile.Entry | None
) -> select.Choice:
    """The box, in Vagrant's store where it is one built here. Raises UserError for another one
    of its name, and for one that is not as it was locked."""
    pin = (locked.box.name, locked.box.version) if locked and locked.box else None
    box = select.choose(lab, backend, progress.say, pin)
    # One lab at a time: two that come up at once would both add it.
    with FileLock(cache.folder() / "vagrant-box.lock"):
        if box.add and not store.stored(box.name, backend.name, box.version):
            add_box(lab, backend.name, box.add, progress)
    conflicts.check_box(lab, backend.name, box)
    check_box(lab, backend.name, (box.name, box.version or ""), locked)
    return box


def preview(lab: Lab, existing: Provider | None, states: dict[str, MachineState]) -> str:
    """What `up` would do where not all machines run, in words; nothing is made or downloaded.

    Raises UserError where `up` would, before it boots anything.
    """
    lines = []
    if existing is None:
        name, why = choose_provider(lab)
        refuse_keys(lab, name)
        conflicts.foretell(lab, registry.backend(name))
        lines = [f"provider {name}: {why}"]
        if registry.backend(name).uses_boxes:
            box = lab.box if lab.box != "auto" else "Debian: from the store, downloaded, or built"
            lines.append(f"box {box}")
        lines += requirements.memory_warnings(lab)
    else:
        lines = [f"provider {existing.name}: the lab has it already"]
    chosen = existing.name if existing else name
    lines += _settings(chosen, "all machines", lab.provider_settings)
    for machine in lab.machines:
        lines += _settings(chosen, machine.name, machine.provider_settings)
    off = [m.name for m in lab.machines if states.get(m.name) != "running"]
    forwards.check(lab, off, registry.backend(chosen).held_ports(lab, off))
    for machine in lab.machines:
        state = states.get(machine.name, "absent")
        what = {
            "absent": f"would be made: {', '.join(_looks(machine))}",
            "stopped": "would be booted",
        }.get(state, f"{state}: stays")
        lines.append(f"{machine.name}: {what}")
    lines.append(
        "Then names, Docker, its image and membership in the swarm are set up on each machine "
        "where they are missing; once all machines run, a dry run lists these changes as well."
    )
    return "\n".join(lines)


def refuse_keys(lab: Lab, provider: str) -> None:
    """Raises DefinitionError for keys of machines that the provider, chosen by now, cannot do."""
    if found := list(machine_keys.problems(provider, lab.machines)):
        raise DefinitionError([f"{lab.file.name}: {key}: {reason}" for key, reason in found])


def _settings(provider: str, whose: str, settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    keys = ", ".join(settings.get(provider, {}))
    return [f"settings of {provider} for {whose}: {keys}"] if keys else []


def _looks(machine: MachineSpec) -> list[str]:
    """What a machine is made as, in words."""
    found = [f"{machine.cpus} CPU", f"{machine.memory} MiB", machine.address]
    found += [f"box {machine.box}"] if machine.box else []
    found += [f"a disk of {machine.disk} GB"] if machine.disk else []
    return [*found, *(f"port {forward}" for forward in machine.forward)]


def add_box(lab: Lab, provider: str, catalogue: Path, progress: Progress) -> None:
    """Add a built box to Vagrant's store. Raises MachineError with Vagrant's own message."""
    progress.say("adding the box to Vagrant's store")
    lab.state.mkdir(parents=True, exist_ok=True)
    runner = Runner(lab.state, BOOT_LIMIT)
    try:
        runner.run("box", "add", "--provider", provider, str(catalogue))
    except subprocess.CalledProcessError as error:
        raise MachineError(
            f"The box could not be added: {runner.last_words()}", f"Vagrant's log: {runner.log}"
        ) from error


def choose_provider(lab: Lab) -> tuple[str, str]:
    """The provider, and why. Raises UserError where Vagrant or the provider is missing."""
    vagrant = requirements.check_vagrant()
    auto = lab.provider == "auto"
    candidates = registry.backends() if auto else [registry.backend(lab.provider)]
    missing = {}
    for backend in candidates:
        missing[backend.name] = requirements.provider_lacks(backend, vagrant)
        if not missing[backend.name]:
            return _or_containers(backend) if auto else (backend.name, "named in lab.toml")
    words = "; ".join(f"{name}: {what}" for name, what in missing.items())
    raise UserError(f"No provider can run this lab. {words}.", "Run inv doctor.")


def _or_containers(first: Backend) -> tuple[str, str]:
    """The first usable provider, unless it would emulate and containers can run instead."""
    why = "selected automatically: first usable provider"
    others = [one for one in registry.backends() if one.shares_kernel and one is not first]
    # The engine is asked first: a trial of KVM can take many seconds.
    usable = next((one for one in others if not first.shares_kernel and not one.missing()), None)
    if usable and (found := first.acceleration()) and not found.fast:
        return usable.name, (
            f"selected automatically: virtual machines of {first.name} would be emulated here, "
            f"which is slow ({found.why})"
        )
    return first.name, why
