"""Which provider, box and driver a lab of virtual machines gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

from filelock import FileLock

from provision.lab import lockfile
from provision.lab.model import Lab
from provision.providers import conflicts
from provision.providers.base import MachineState, Provider
from provision.providers.boxes import select, store
from provision.providers.boxes.locked import check_box
from provision.providers.libvirt import kvm, naming
from provision.providers.vagrant import requirements
from provision.providers.vagrant.provider import BOOT_LIMIT
from provision.providers.vagrant.runner import Runner
from provision.providers.vagrant.template import Plan
from provision.support import cache
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

_EMULATED_BOOT = 900


def plan(lab: Lab, progress: Progress, locks: lockfile.Locked | None = None) -> Plan:
    """Choose provider, box and driver for a lab that is not there yet; its notes say why.

    Raises UserError that names what is missing, before anything boots.
    """
    name, why = choose_provider(lab)
    notes = [f"provider {name}: {why}"]
    conflicts.check(lab, name)
    notes += requirements.memory_warnings(lab)
    locked = (locks or lockfile.load(lab)).of(name)
    pin = (locked.box.name, locked.box.version) if locked and locked.box else None
    box = select.choose(lab, name, progress.say, pin)
    notes.append(f"box {box.name}: {box.why}")
    # One lab at a time: two that come up at once would both add it.
    with FileLock(cache.folder() / "vagrant-box.lock"):
        if box.add and not store.stored(box.name, name, box.version):
            add_box(lab, name, box.add, progress)
    conflicts.check_box(lab, name, box)
    check_box(lab, name, (box.name, box.version or ""), locked)
    # After the box: a box built here brings the kernel that KVM is tried with.
    driver = "kvm"
    if name == "libvirt":
        verdict = kvm.verdict()
        driver = "kvm" if verdict.works else "qemu"
        notes.append(
            f"{'KVM' if verdict.works else 'emulation (slow: minutes, not seconds)'}: {verdict.why}"
        )
    return Plan(
        provider=name,
        box=box.name,
        box_version=box.version,
        prefix=naming.prefix(lab.name),
        network=naming.network(lab.name),
        driver=driver,
        boot_timeout=600 if driver == "kvm" else _EMULATED_BOOT,
        notes=tuple(notes),
    )


def preview(lab: Lab, there: Provider | None, states: dict[str, MachineState]) -> str:
    """What `up` would do to machines of which not all run, in words; nothing is made or fetched.

    Raises UserError where `up` would, before it boots anything.
    """
    lines = []
    if there is None:
        name, why = choose_provider(lab)
        if clashes := conflicts.clashes(lab):
            raise UserError("\n".join(clashes), "Take another network.subnet in lab.toml.")
        box = lab.box if lab.box != "auto" else "a Debian 12 that is here, can be had, or is built"
        lines = [f"provider {name}: {why}", f"box {box}", *requirements.memory_warnings(lab)]
    else:
        lines = [f"provider {there.name}: the lab has it already"]
    for machine in lab.machines:
        state = states.get(machine.name, "absent")
        what = {
            "absent": f"would be made: {machine.cpus} CPU, {machine.memory} MiB, {machine.address}",
            "stopped": "would be booted",
        }.get(state, f"{state}: stays")
        lines.append(f"{machine.name}: {what}")
    lines.append(
        "Then, on each what is missing: Docker, its image, and its place in the swarm. What that "
        "is can be told when all of them run."
    )
    return "\n".join(lines)


def add_box(lab: Lab, provider: str, catalogue: Path, progress: Progress) -> None:
    """Put a built box into Vagrant's store. Raises MachineError with Vagrant's words."""
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
    requirements.check_vagrant()
    missing = {name: requirements.provider_missing(name) for name in _providers(lab)}
    for name, what in missing.items():
        if not what:
            why = "named in lab.toml" if lab.provider != "auto" else "the best that is here"
            return name, why
    words = "; ".join(f"{name}: {what}" for name, what in missing.items())
    raise UserError(f"No provider can run this lab. {words}.", "inv doctor tells more.")


def _providers(lab: Lab) -> list[str]:
    if lab.provider != "auto":
        return [lab.provider]
    # libvirt first: it boots in parallel and keeps checkpoints; on macOS and Windows the rest.
    return ["libvirt", "parallels", "vmware_desktop", "virtualbox", "hyperv"]
