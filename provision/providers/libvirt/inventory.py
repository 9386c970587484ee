"""libvirt's own lists, read with virsh: quick, and true whatever Vagrant remembers."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from provision.providers import naming
from provision.providers.base import MachineState
from provision.providers.libvirt import virsh


def states(prefix: str, names: list[str]) -> dict[str, MachineState]:
    """The state of each machine, by name."""
    known: dict[str, MachineState] = {"running": "running", "paused": "paused"}
    found = {}
    for line in virsh.run("list", "--all").splitlines():
        # "<id or -> <name> <state>", where a state may have two words ("shut off").
        _, domain, state = line.split(maxsplit=2)
        found[domain] = known.get(state.strip(), "stopped")
    return {name: found.get(prefix + name, "absent") for name in names}


def addresses(prefix: str, names: list[str], subnet: IPv4Network) -> dict[str, str]:
    """The address in a subnet that DHCP has given each machine, by name.

    Without machines that have none, and those that have several: one of them is no longer in use.
    """
    found = {}
    for name in names:
        lines = virsh.run("domifaddr", prefix + name, "--source", "lease", check=False).splitlines()
        # "<interface> <MAC> ipv4 <address>/<prefix length>"
        fields = [line.split() for line in lines]
        ipv4 = [IPv4Interface(words[3]).ip for words in fields if words[2:3] == ["ipv4"]]
        given = {str(address) for address in ipv4 if address in subnet}
        if len(given) == 1:
            found[name] = given.pop()
    return found


def foreign_domains(prefix: str, state: Path) -> dict[str, str]:
    """Domains of the lab's prefix that another folder's Vagrant has made: domain to that folder.

    Only where that folder still exists: nobody else will ever remove the others. A folder that
    this user may not look into is another user's, and counts as existing.
    """
    found = {}
    own = state.resolve()
    for domain in virsh.run("list", "--all", "--name").split():
        folder = _folder_of(domain) if domain.startswith(prefix) else None
        if folder and _resolved(folder) != own and _exists(folder):
            found[domain] = str(folder)
    return found


def _folder_of(domain: str) -> Path | None:
    """The state folder of the lab whose Vagrant has made a domain.

    Source: vagrant-libvirt writes the Vagrantfile's path into a domain's description.
    """
    description = virsh.run("desc", domain, check=False).strip()
    source = description.removeprefix("Source: ")
    return Path(source).parent if source != description else None


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except OSError:
        return folder


def _exists(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return True


def has_machines_of(state: Path) -> bool:
    """Whether there is a machine that the Vagrant of that folder has made."""
    own = state.resolve()
    return any(
        _resolved(folder) == own
        for domain in virsh.run("list", "--all", "--name", check=False).split()
        if domain.startswith(naming.prefix(state.name)) and (folder := _folder_of(domain))
    )


def image_of_box(name: str, version: str) -> Path | None:
    """libvirt's own copy of a box's disk, by the name that vagrant-libvirt gives it."""
    copy = f"{name.replace('/', '-VAGRANTSLASH-')}_vagrant_box_image_{version}_box.img"
    for pool in virsh.run("pool-list", "--name").split():
        path = virsh.run("vol-path", copy, "--pool", pool, check=False).strip()
        if path:
            return Path(path)
    return None


def belongings(prefix: str, network: str, state: Path) -> dict[str, list[str]]:
    """What libvirt has of a lab: {"domain": […], "volume": [paths], "network": […]}.

    Without what a lab of the same name in another folder has.
    """
    others = foreign_domains(prefix, state)
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
    """Remove exactly what has the lab's prefix or is its network; returns what was removed.

    With `only`, just the domains and volumes of these machines: half-made ones, before an `up`.
    """
    removed: list[str] = []
    found = belongings(prefix, network, state)
    for domain in found["domain"]:
        if only is None or domain.removeprefix(prefix) in only:
            virsh.run("destroy", domain, check=False)
            virsh.run("undefine", domain, "--snapshots-metadata", "--managed-save", "--nvram")
            removed.append(f"domain {domain}")
    for volume in found["volume"]:
        machine = Path(volume).name.removeprefix(prefix).split(".")[0]
        if only is None or machine in only:
            virsh.run("vol-delete", volume)
            removed.append(f"volume {volume}")
    if only is None:
        for name in found["network"]:
            virsh.run("net-destroy", name, check=False)
            virsh.run("net-undefine", name)
            removed.append(f"network {name}")
    return removed
