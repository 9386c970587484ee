"""libvirt as one of Vagrant's providers (vagrant-libvirt)."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from provision.lab.model import Forward, Lab
from provision.providers import machine_key, naming
from provision.providers.backend import (
    Acceleration,
    Backend,
    Hindrance,
    foreign_vagrant,
    has_system_plugin,
    has_vagrant_plugin,
)
from provision.providers.base import Checkpoints, MachineState
from provision.providers.libvirt import (
    denials,
    disks,
    firewall,
    hardware,
    inventory,
    kvm,
    networks,
    snapshots,
    tunnels,
    virsh,
)
from provision.ssh.endpoint import Endpoint
from provision.support import architecture, distribution
from provision.support.errors import MachineError, UserError

if TYPE_CHECKING:
    from provision.support.progress import Progress

# Debian's own boxes come for amd64 alone.
_BOXES = {
    "amd64": {"trixie": "debian/trixie64", "bookworm": "debian/bookworm64"},
    "arm64": {"trixie": "cloud-image/debian-13", "bookworm": "cloud-image/debian-12"},
}


_LIBVIRT = {
    "debian": "libvirt-daemon-system libvirt-clients qemu-system dnsmasq-base",
    "fedora": "libvirt libvirt-client qemu-kvm dnsmasq",
    "suse": "libvirt libvirt-client qemu-kvm dnsmasq",
    "arch": "libvirt qemu-base dnsmasq",
}
# Arch has no package of it.
_PLUGIN = dict.fromkeys(("debian", "fedora", "suse"), "vagrant-libvirt")
# How the boxes that are built here are logged in to.
_USER, _SSH = "vagrant", 22


class Libvirt(Backend):
    name = "libvirt"
    builds_boxes = True
    management_network = True
    lists_machines = True
    hands_over_metadata = True

    # -- this host ----------------------------------------------------------------------------

    def present(self) -> bool:
        return platform.system() == "Linux" and bool(shutil.which("virsh"))

    def missing(self) -> str:
        if platform.system() != "Linux":
            return "libvirt runs machines on Linux alone"
        plugin = "vagrant-libvirt"
        if not has_vagrant_plugin(plugin):
            if foreign_vagrant() and has_system_plugin(plugin):
                return (
                    f"{shutil.which('vagrant')} is not the distribution's Vagrant and does not use "
                    f"its package {plugin}: vagrant plugin install {plugin}"
                )
            return f"the plugin {plugin} is not installed{_how(_PLUGIN, plugin)}"
        if not shutil.which("virsh"):
            return f"libvirt is not installed (virsh){_how(_LIBVIRT)}"
        if error := virsh.connection_error():
            return f"libvirtd does not answer: {error}"
        return hardware.lacking()

    def firmware(self) -> str:
        return hardware.firmware()

    def hindrances(self, lab: Lab) -> list[Hindrance]:
        return firewall.hindrances(networks.bridge(naming.management(lab.name)))

    def explain(self, words: str) -> Hindrance | None:
        return denials.explain(words)

    @property
    def boxes(self) -> Mapping[str, str]:  # type: ignore[override]
        return _BOXES[architecture.debian_architecture()]

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {
            self.name: ("virsh", "--version"),
            "qemu": (hardware.here().qemu, "--version"),
        }

    def acceleration(self, fresh: bool = False) -> Acceleration | None:
        verdict = kvm.verdict(fresh)
        return Acceleration("kvm" if verdict.works else "qemu", verdict.works, verdict.why)

    # -- before machines are made -------------------------------------------------------------

    def conflict(self, lab: Lab) -> UserError | None:
        """Labs of other users, or of a cache that was emptied, and other networks."""
        for domain, folder in inventory.foreign_domains(naming.prefix(lab.name), lab.state).items():
            return UserError(
                f"{lab.file.name}: name: libvirt has {domain}, of a lab {lab.name!r} in {folder}.",
                "Take another name in lab.toml, or remove that lab: inv destroy there.",
            )
        own = naming.networks(lab.name)
        for name, subnet in networks.subnets().items():
            for key, wanted in (
                ("network.subnet", lab.subnet),
                ("network.management", lab.management_subnet),
            ):
                if name not in own and subnet.overlaps(IPv4Network(wanted)):
                    return UserError(
                        f"{lab.file.name}: {key}: {wanted} overlaps {subnet} of libvirt's network "
                        f"{name!r}.",
                        f"Take another {key} in lab.toml, or remove that one: virsh net-undefine.",
                    )
        return None

    def own_interfaces(self, lab: Lab) -> set[str]:
        """The bridges of its networks: a lab that is half made has them already."""
        return {networks.bridge(name) for name in naming.networks(lab.name)}

    def box_conflict(self, lab: Lab, box: str, version: str, disk: Path | None) -> UserError | None:
        """Machines are made of libvirt's copy of the disk, whatever Vagrant's box store holds."""
        copy = inventory.image_of_box(box, version) if disk else None
        if not disk or not copy or not copy.is_file():
            return None
        if disk.stat().st_size == copy.stat().st_size:
            return None
        return UserError(
            f"{lab.file.name}: box: libvirt has another disk under the name of {box} {version}: "
            f"{copy} has {copy.stat().st_size} bytes, the box {disk.stat().st_size}.",
            f"When no lab runs on it: virsh vol-delete {copy}",
        )

    def resume(self, lab: Lab) -> None:
        snapshots.resume(naming.prefix(lab.name), _names(lab))

    def damaged(self, lab: Lab, machines: list[str]) -> dict[str, str]:
        return disks.damaged(naming.prefix(lab.name), machines)

    def prepare(self, lab: Lab) -> None:
        networks.ensure_networks(naming.network(lab.name), lab.subnet, lab.management_subnet)

    def remove_unfinished(self, lab: Lab, machines: set[str]) -> list[str]:
        return inventory.purge(
            naming.prefix(lab.name), naming.network(lab.name), lab.state, machines
        )

    # -- machines that were made --------------------------------------------------------------

    def states(self, lab: Lab, known: set[str]) -> dict[str, MachineState]:
        return inventory.states(naming.prefix(lab.name), _names(lab))

    def has_machines(self, state: Path) -> bool:
        try:
            return inventory.has_machines_of(state)
        except MachineError:
            return False  # libvirt is gone from this host

    def ssh_config(self, lab: Lab, own_key: bool) -> str:
        """By the addresses that libvirt's DHCP has given: Vagrant takes seconds to tell them."""
        if not own_key:
            return ""
        names, subnet = _names(lab), IPv4Network(lab.management_subnet)
        found = inventory.addresses(naming.prefix(lab.name), names, subnet)
        if len(found) < len(names):
            return ""
        ends = {name: (address, _SSH) for name, address in found.items()}
        return machine_key.ssh_config(lab.state, ends, _USER)

    def held_ports(self, lab: Lab, machines: Collection[str]) -> list[Forward]:
        return tunnels.held(lab, machines)

    def close_ports(self, lab: Lab, machines: Collection[str]) -> None:
        tunnels.end(lab, machines)

    def forward(self, lab: Lab, ends: Mapping[str, Endpoint], restored: bool) -> None:
        tunnels.renew(lab, ends, restored)

    def console(self, lab: Lab, machine: str) -> str:
        return f"virsh -c {virsh.URI} console {naming.prefix(lab.name)}{machine}"

    def diagnostics(self, lab: Lab) -> str:
        commands = ["list --all", "net-list --all", "pool-list --all"]
        commands += [f"net-dumpxml {name}" for name in naming.networks(lab.name)]
        for name in _names(lab):
            domain = naming.prefix(lab.name) + name
            commands += [f"dumpxml {domain}", f"snapshot-list {domain}", f"domiflist {domain}"]
        return "".join(_answer(command) for command in commands)

    def checkpoints(self, lab: Lab, vagrants: Checkpoints) -> Checkpoints:
        return DomainCheckpoints(lab)

    # -- destroy ------------------------------------------------------------------------------

    def purge(self, lab: Lab) -> list[str]:
        purged = inventory.purge(naming.prefix(lab.name), naming.network(lab.name), lab.state)
        return purged + tunnels.end_left(lab.state)

    def leftovers(self, lab: Lab, known: set[str]) -> list[str]:
        """What libvirt no longer has is gone, whatever Vagrant remembers."""
        found = inventory.belongings(naming.prefix(lab.name), naming.network(lab.name), lab.state)
        return [f"{kind} {name}" for kind, names in found.items() for name in names]

    def stays(self, lab: Lab, box: str, version: str) -> list[str]:
        copy = inventory.image_of_box(box, version) if version else None
        return [f"libvirt's copy of that box (virsh vol-delete {copy})"] if copy else []

    def purge_orphans(self, lab: Lab) -> list[str]:
        """libvirt's lists show by the lab's name what belongs to it."""
        return [] if virsh.connection_error() else self.purge(lab)


class DomainCheckpoints:
    """Checkpoints as libvirt's own snapshots, of all machines at one moment."""

    def __init__(self, lab: Lab) -> None:
        self._prefix = naming.prefix(lab.name)
        self._network = naming.network(lab.name)
        self._machines = _names(lab)

    def names(self) -> list[str]:
        return snapshots.listed(self._prefix, self._machines)

    def save(self, name: str, progress: Progress) -> None:
        snapshots.save(self._prefix, self._machines, name)

    def restore(self, name: str, progress: Progress) -> None:
        snapshots.restore(self._prefix, self._machines, self._network, name)

    def forget(self, name: str) -> None:
        snapshots.forget(self._prefix, self._machines, name)


def _how(packages: Mapping[str, str], plugin: str = "") -> str:
    """The command that installs what is missing, as a part of the sentence."""
    command = "" if plugin and foreign_vagrant() else distribution.install(packages)
    if not command and plugin:
        command = f"vagrant plugin install {plugin}"
    return f": {command}" if command else ""


def _names(lab: Lab) -> list[str]:
    return [machine.name for machine in lab.machines]


def _answer(command: str) -> str:
    try:
        return f"$ virsh {command}\n{virsh.run(*command.split())}\n"
    except (MachineError, subprocess.SubprocessError) as error:
        return f"$ virsh {command}\n{error}\n"
