"""Conflicts with other labs and with this host's networks, found before anything boots."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from ipaddress import IPv4Interface, IPv4Network

from provision.lab.model import Lab
from provision.providers import lab_index
from provision.providers.boxes import select, store
from provision.providers.libvirt import inventory, naming, networks
from provision.support.errors import UserError


def host_networks() -> dict[str, list[IPv4Network]]:
    """The IPv4 networks that this host has, by interface (Linux; {} where they are not known)."""
    ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not ip:
        return {}
    done = subprocess.run(
        [ip, "-json", "-4", "address"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return {}
    return {
        link["ifname"]: [
            IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            for address in link.get("addr_info", [])
        ]
        for link in json.loads(done.stdout or "[]")
    }


def clashes(lab: Lab, own: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Networks of this host that the lab's would cover, a line each.

    Interfaces in `own` are the lab's. VirtualBox's host-only networks are no clash: VirtualBox
    gives a lab the one that has its subnet.
    """
    found = []
    wanted = {"network.subnet": lab.subnet, "network.management": lab.management_subnet}
    for interface, there in host_networks().items():
        if interface in own:
            continue
        for key, subnet in wanted.items():
            for network in there:
                if network.overlaps(IPv4Network(subnet)) and not interface.startswith("vboxnet"):
                    found.append(
                        f"{lab.file.name}: {key}: {subnet} is in use on this host: "
                        f"{interface} has {network}"
                    )
    return found


def check(lab: Lab, provider: str) -> None:
    """Note the lab as one of this host's. Raises UserError for a clash of name or network."""
    lab_index.register(lab, provider)
    problem = _in_libvirt(lab) if provider == "libvirt" else None
    ours = {naming.network(lab.name), f"{naming.network(lab.name)}-mgmt"}
    own = _interfaces(ours) if provider == "libvirt" else set()
    if not problem and (found := clashes(lab, own)):
        problem = UserError("\n".join(found), "Take another network.subnet in lab.toml.")
    if problem:
        lab_index.forget(lab.state)
        raise problem


def _in_libvirt(lab: Lab) -> UserError | None:
    """What libvirt itself has: labs of other users, or of a cache that was emptied."""
    for domain, folder in inventory.strangers(naming.prefix(lab.name), lab.state).items():
        return UserError(
            f"{lab.file.name}: name: libvirt has {domain}, of a lab {lab.name!r} in {folder}.",
            "Take another name in lab.toml, or remove that lab: inv destroy there.",
        )
    ours = {naming.network(lab.name), f"{naming.network(lab.name)}-mgmt"}
    for name, subnet in networks.subnets().items():
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


def _interfaces(names: set[str]) -> set[str]:
    """The bridges of libvirt's networks: a lab that was half made has its own already."""
    return {networks.bridge(name) for name in names}


def check_box(lab: Lab, provider: str, box: select.Choice) -> None:
    """Raises UserError where libvirt has another disk under the box's name and version.

    Machines would be made of it, whatever the box store holds.
    """
    if provider != "libvirt" or not box.version:
        return
    mine = store.disk(box.name, provider, box.version)
    theirs = inventory.image_of_box(box.name, box.version)
    if not mine or not theirs or not theirs.is_file():
        return
    if mine.stat().st_size != theirs.stat().st_size:
        raise UserError(
            f"{lab.file.name}: box: libvirt has another disk under the name of {box.name} "
            f"{box.version}: {theirs} has {theirs.stat().st_size} bytes, the box "
            f"{mine.stat().st_size}.",
            f"When no lab runs on it: virsh vol-delete {theirs}",
        )
