"""Two labs on one host do not get into each other's way: every clash is found before a boot."""

from __future__ import annotations

from ipaddress import IPv4Network

from provision import boxes, host, registry
from provision.definition import Lab
from provision.errors import UserError
from provision.providers import libvirt


def prefix(name: str) -> str:
    """What the names of a lab's machines begin with, in libvirt's lists."""
    return f"swarmrig-{name}_"


def network(name: str) -> str:
    """The name of a lab's underlay in libvirt's lists; "-mgmt" follows for the other one."""
    return f"swarmrig-{name}"


def check(lab: Lab, provider: str) -> None:
    """Note the lab as one of this host's. Raises UserError for a clash of name or network."""
    registry.register(lab, provider)
    problem = _in_libvirt(lab) if provider == "libvirt" else None
    ours = {network(lab.name), f"{network(lab.name)}-mgmt"}
    own = _interfaces(ours) if provider == "libvirt" else set()
    if not problem and (found := host.clashes(lab, own)):
        problem = UserError("\n".join(found), "Take another network.subnet in lab.toml.")
    if problem:
        registry.forget(lab.state)
        raise problem


def _in_libvirt(lab: Lab) -> UserError | None:
    """What libvirt itself has: labs of other users, or of a cache that was emptied."""
    for domain, folder in libvirt.strangers(prefix(lab.name), lab.state).items():
        return UserError(
            f"{lab.file.name}: name: libvirt has {domain}, of a lab {lab.name!r} in {folder}.",
            "Take another name in lab.toml, or remove that lab: inv destroy there.",
        )
    ours = {network(lab.name), f"{network(lab.name)}-mgmt"}
    for name, subnet in libvirt.subnets().items():
        for key, mine in (
            ("network.subnet", lab.subnet),
            ("network.management", lab.management_subnet),
        ):
            if name not in ours and subnet.overlaps(IPv4Network(mine)):
                return UserError(
                    f"{lab.file.name}: {key}: {mine} overlaps {subnet} of libvirt's network "
                    f"{name!r}.",
                    f"Take another {key} in lab.toml, or remove that one: virsh net-undefine.",
                )
    return None


def _interfaces(networks: set[str]) -> set[str]:
    """The bridges of libvirt's networks: a lab that was half made has its own already."""
    return {libvirt.bridge(name) for name in networks}


def check_box(lab: Lab, provider: str, box: boxes.Choice) -> None:
    """Raises UserError where libvirt has another disk under the box's name and version.

    Machines would be made of it, whatever the box store holds.
    """
    if provider != "libvirt" or not box.version:
        return
    mine = boxes.disk(box.name, provider, box.version)
    theirs = libvirt.image_of_box(box.name, box.version)
    if not mine or not theirs or not theirs.is_file():
        return
    if mine.stat().st_size != theirs.stat().st_size:
        raise UserError(
            f"{lab.file.name}: box: libvirt has another disk under the name of {box.name} "
            f"{box.version}: {theirs} has {theirs.stat().st_size} bytes, the box "
            f"{mine.stat().st_size}.",
            f"When no lab runs on it: virsh vol-delete {theirs}",
        )
