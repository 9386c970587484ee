"""Conflicts with other labs and with this host's networks, found before anything boots."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from ipaddress import IPv4Interface, IPv4Network

from provision.lab.model import Lab
from provision.providers import lab_index
from provision.providers.backend import Backend
from provision.providers.backends import registry
from provision.providers.boxes import select, store
from provision.support.errors import UserError
from provision.support.tools import run_tool


def host_networks() -> dict[str, list[IPv4Network]]:
    """The IPv4 networks that this host has, by interface (Linux; {} where they are not known)."""
    ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not ip:
        return {}
    done = run_tool([ip, "-json", "-4", "address"])
    if done.returncode != 0:
        return {}
    return {
        link["ifname"]: [
            IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            for address in link.get("addr_info", [])
        ]
        for link in json.loads(done.stdout or "[]")
    }


def host_routes() -> list[tuple[IPv4Network, str]]:
    """The IPv4 routes of this host to networks that are not its own, as a VPN sets them, with the
    interface of each (Linux; [] where they are not known)."""
    ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    done = run_tool([ip, "-json", "-4", "route"]) if ip else None
    if not done or done.returncode != 0:
        return []
    found = []
    for route in json.loads(done.stdout or "[]"):
        if route.get("protocol") != "kernel" and route.get("dst") != "default":
            with contextlib.suppress(KeyError, ValueError):
                found.append((IPv4Network(route["dst"]), route["dev"]))
    return found


def clashes(
    lab: Lab, own: frozenset[str] | set[str] = frozenset(), management: bool = True
) -> list[str]:
    """Networks of this host that the lab's would cover, a line each.

    Interfaces in `own` are the lab's; `management` is whether it has a management network.
    VirtualBox's host-only networks are no clash: VirtualBox gives a lab the one of its subnet.
    """
    found = []
    wanted = {"network.subnet": lab.subnet}
    if management:
        wanted["network.management"] = lab.management_subnet
    for interface, existing in host_networks().items():
        if interface in own:
            continue
        for key, subnet in wanted.items():
            for network in existing:
                if network.overlaps(IPv4Network(subnet)) and not interface.startswith("vboxnet"):
                    found.append(
                        f"{lab.file.name}: {key}: {subnet} is in use on this host: "
                        f"{interface} has {network}"
                    )
    for network, interface in host_routes():
        for key, subnet in wanted.items():
            # A wider route does not matter: the lab's own is the closer one.
            if interface not in own and network.subnet_of(IPv4Network(subnet)):
                found.append(
                    f"{lab.file.name}: {key}: {subnet} is routed elsewhere by this host, as a VPN "
                    f"does: {network} to {interface}"
                )
    return found


def find(lab: Lab, backend: Backend) -> UserError | None:
    """What of the provider or of this host's networks is in the lab's way; nothing is changed."""
    if problem := backend.conflict(lab):
        return problem
    if found := clashes(lab, backend.own_interfaces(lab), backend.management_network):
        return UserError("\n".join(found), "Take another network.subnet in lab.toml.")
    return None


def foretell(lab: Lab, backend: Backend) -> None:
    """Raise what `check` would, and note nothing."""
    if found := lab_index.clashes(lab, backend.name):
        raise UserError("\n".join(found), lab_index.ADVICE)
    if problem := find(lab, backend):
        raise problem


def check(lab: Lab, provider: str) -> None:
    """Note the lab as one of this host's. Raises UserError for a clash of name or network."""
    lab_index.register(lab, provider)
    try:
        problem = find(lab, registry.backend(provider))
    except BaseException:
        lab_index.forget(lab.state)
        raise
    if problem:
        lab_index.forget(lab.state)
        raise problem


def check_box(lab: Lab, provider: str, box: select.Choice) -> None:
    """Raises UserError where the provider has another disk under the box's name and version."""
    if not box.version:
        return
    disk = store.disk(box.name, provider, box.version)
    if problem := registry.backend(provider).box_conflict(lab, box.name, box.version, disk):
        raise problem
