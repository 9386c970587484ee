"""libvirt's own lists, asked with virsh: quick, and true whatever Vagrant remembers."""

from __future__ import annotations

from pathlib import Path

from provision.providers.base import MachineState
from provision.providers.libvirt import virsh


def states(prefix: str, names: list[str]) -> dict[str, MachineState]:
    """The state of each machine, by name."""
    known: dict[str, MachineState] = {"running": "running", "paused": "paused"}
    said = {}
    for line in virsh.run("list", "--all").splitlines():
        # "<id or -> <name> <state>", where a state may have two words ("shut off").
        _, domain, state = line.split(maxsplit=2)
        said[domain] = known.get(state.strip(), "stopped")
    return {name: said.get(prefix + name, "absent") for name in names}


def strangers(prefix: str, state: Path) -> dict[str, str]:
    """Domains of the lab's prefix that another folder's Vagrant has made: domain to that folder.

    Only where that folder is still there: nobody else will ever remove the others.
    Source: vagrant-libvirt writes the Vagrantfile's path into a domain's description.
    """
    found = {}
    for domain in virsh.run("list", "--all", "--name").split():
        if domain.startswith(prefix):
            said = virsh.run("desc", domain, check=False).strip()
            folder = Path(said.removeprefix("Source: ")).parent
            if said.startswith("Source: ") and folder != state and folder.is_dir():
                found[domain] = str(folder)
    return found


def has_machines_of(state: Path) -> bool:
    """Whether there is a machine that the Vagrant of that folder has made."""
    source = f"Source: {state}/"
    return any(
        virsh.run("desc", domain, check=False).startswith(source)
        for domain in virsh.run("list", "--all", "--name", check=False).split()
        if domain.startswith(f"swarmrig-{state.name}_")
    )


def image_of_box(name: str, version: str) -> Path | None:
    """libvirt's own copy of a box's disk, by the name that vagrant-libvirt gives it."""
    copy = f"{name.replace('/', '-VAGRANTSLASH-')}_vagrant_box_image_{version}_box.img"
    for pool in virsh.run("pool-list", "--name").split():
        said = virsh.run("vol-path", copy, "--pool", pool, check=False).strip()
        if said:
            return Path(said)
    return None


def belongings(prefix: str, network: str, state: Path) -> dict[str, list[str]]:
    """What libvirt has of a lab: {"domain": […], "volume": [paths], "network": […]}.

    Without what a lab of the same name in another folder has.
    """
    others = strangers(prefix, state)
    volumes = []
    for pool in virsh.run("pool-list", "--name").split():
        for line in virsh.run("vol-list", pool, check=False).splitlines():
            name = line.split()[0] if line.split() else ""
            # "<domain>.img", "<domain>_1.img"
            if name.startswith(prefix) and not name.startswith(tuple(others) or ("\0",)):
                volumes.append(line.split(maxsplit=1)[1].strip())
    return {
        "domain": [
            n
            for n in virsh.run("list", "--all", "--name").split()
            if n.startswith(prefix) and n not in others
        ],
        "volume": volumes,
        "network": [
            n
            for n in virsh.run("net-list", "--all", "--name").split()
            if n in {network, f"{network}-mgmt"} and not others
        ],
    }


def purge(prefix: str, network: str, state: Path, only: set[str] | None = None) -> list[str]:
    """Remove exactly what carries the lab's prefix or is its network; what was removed.

    With `only`, just the domains and volumes of these machines: half-made ones, before an `up`.
    """
    removed: list[str] = []
    there = belongings(prefix, network, state)
    for domain in there["domain"]:
        if only is None or domain.removeprefix(prefix) in only:
            virsh.run("destroy", domain, check=False)
            virsh.run("undefine", domain, "--snapshots-metadata", "--managed-save", "--nvram")
            removed.append(f"domain {domain}")
    for volume in there["volume"]:
        machine = Path(volume).name.removeprefix(prefix).split(".")[0]
        if only is None or machine in only:
            virsh.run("vol-delete", volume)
            removed.append(f"volume {volume}")
    if only is None:
        for name in there["network"]:
            virsh.run("net-destroy", name, check=False)
            virsh.run("net-undefine", name)
            removed.append(f"network {name}")
    return removed
