"""libvirt's own lists, asked with virsh: quick, and true whatever Vagrant remembers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from xml.etree import ElementTree

from provision.errors import MachineError
from provision.providers.base import MachineState

URI = os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system")


def virsh(*args: str, check: bool = True, limit: float = 60) -> str:
    """Run virsh for `limit` seconds at most; its output. Raises MachineError in libvirt's words."""
    try:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", URI, *args],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            # virsh is to end what it is at when we are interrupted, so it does not hear of it.
            start_new_session=True,
            timeout=limit,
        )
    except FileNotFoundError:
        raise MachineError("libvirt: virsh is not installed.", "inv doctor tells more.") from None
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"libvirt: virsh {' '.join(args)} did not end within {limit:.0f} s.",
            "Is libvirtd busy or stuck? inv doctor asks it.",
        ) from None
    if check and done.returncode != 0:
        words = " ".join(done.stderr.split()).removeprefix("error: ")
        raise MachineError(
            f"libvirt: virsh {' '.join(args)}: {words}",
            "Does libvirtd run, and are you in the group libvirt?",
        )
    return done.stdout


def answers() -> str:
    """ "" where libvirt answers, else what it says."""
    try:
        done = subprocess.run(
            ["virsh", "--connect", URI, "uri"],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().replace("\n", " ")


def states(prefix: str, names: list[str]) -> dict[str, MachineState]:
    """The state of each machine, by name."""
    known: dict[str, MachineState] = {"running": "running", "paused": "paused"}
    said = {}
    for line in virsh("list", "--all").splitlines():
        # "<id or -> <name> <state>", where a state may have two words ("shut off").
        _, domain, state = line.split(maxsplit=2)
        said[domain] = known.get(state.strip(), "stopped")
    return {name: said.get(prefix + name, "absent") for name in names}


_NETWORK = """<network ipv6='yes'>
  <name>{name}</name>{forward}
  <bridge stp='off' delay='0'/>
  <ip address='{host}' netmask='{mask}'>{dhcp}</ip>
</network>
"""


def ensure_networks(name: str, subnet: str, management: str) -> list[str]:
    """Define the lab's two networks where they are not there, and start them; those made.

    As vagrant-libvirt would make them (it takes what is there by that name and address), but
    without the spanning tree: with one bridge there is no loop, and after each start of a machine
    it would hold its packets back for four seconds. Source: https://libvirt.org/formatnetwork.html
    """
    there = set(virsh("net-list", "--all", "--name").split())
    active = set(virsh("net-list", "--name").split())
    made = []
    for network, addresses in ((name, subnet), (f"{name}-mgmt", management)):
        if network not in there:
            _define(network, IPv4Network(addresses), reached=network != name)
            made.append(f"network {network}")
        if network not in active:
            virsh("net-start", network)
    return made


def _define(name: str, addresses: IPv4Network, reached: bool) -> None:
    first, second, last = addresses[1], addresses[2], addresses[-2]
    text = _NETWORK.format(
        name=name,
        forward="\n  <forward mode='nat'/>" if reached else "",
        host=first,
        mask=addresses.netmask,
        dhcp=f"<dhcp><range start='{second}' end='{last}'/></dhcp>" if reached else "",
    )
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(text)
        file.flush()
        virsh("net-define", file.name)


def strangers(prefix: str, state: Path) -> dict[str, str]:
    """Domains of the lab's prefix that another folder's Vagrant has made: domain to that folder.

    Only where that folder is still there: nobody else will ever remove the others.
    Source: vagrant-libvirt writes the Vagrantfile's path into a domain's description.
    """
    found = {}
    for domain in virsh("list", "--all", "--name").split():
        if domain.startswith(prefix):
            said = virsh("desc", domain, check=False).strip()
            folder = Path(said.removeprefix("Source: ")).parent
            if said.startswith("Source: ") and folder != state and folder.is_dir():
                found[domain] = str(folder)
    return found


def has_machines_of(state: Path) -> bool:
    """Whether there is a machine that the Vagrant of that folder has made."""
    source = f"Source: {state}/"
    return any(
        virsh("desc", domain, check=False).startswith(source)
        for domain in virsh("list", "--all", "--name", check=False).split()
        if domain.startswith(f"swarmrig-{state.name}_")
    )


def subnets() -> dict[str, IPv4Network]:
    """The IPv4 subnet of each of libvirt's networks that has one, inactive ones too."""
    found = {}
    for name in virsh("net-list", "--all", "--name").split():
        # libvirt's own output, and no stranger's.
        for ip in ElementTree.fromstring(virsh("net-dumpxml", name)).findall("ip"):  # noqa: S314
            address, mask = ip.get("address", ""), ip.get("netmask") or ip.get("prefix")
            with contextlib.suppress(ValueError):
                found[name] = IPv4Interface(f"{address}/{mask}").network
    return found


def bridge(network: str) -> str:
    """The bridge of an active network, "" where there is none."""
    for line in virsh("net-info", network, check=False).splitlines():
        if line.startswith("Bridge:"):
            return line.split(maxsplit=1)[1].strip()
    return ""


def image_of_box(name: str, version: str) -> Path | None:
    """libvirt's own copy of a box's disk, by the name that vagrant-libvirt gives it."""
    copy = f"{name.replace('/', '-VAGRANTSLASH-')}_vagrant_box_image_{version}_box.img"
    for pool in virsh("pool-list", "--name").split():
        said = virsh("vol-path", copy, "--pool", pool, check=False).strip()
        if said:
            return Path(said)
    return None


def belongings(prefix: str, network: str, state: Path) -> dict[str, list[str]]:
    """What libvirt has of a lab: {"domain": […], "volume": [paths], "network": […]}.

    Without what a lab of the same name in another folder has.
    """
    others = strangers(prefix, state)
    volumes = []
    for pool in virsh("pool-list", "--name").split():
        for line in virsh("vol-list", pool, check=False).splitlines():
            name = line.split()[0] if line.split() else ""
            # "<domain>.img", "<domain>_1.img"
            if name.startswith(prefix) and not name.startswith(tuple(others) or ("\0",)):
                volumes.append(line.split(maxsplit=1)[1].strip())
    return {
        "domain": [
            n
            for n in virsh("list", "--all", "--name").split()
            if n.startswith(prefix) and n not in others
        ],
        "volume": volumes,
        "network": [
            n
            for n in virsh("net-list", "--all", "--name").split()
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
            virsh("destroy", domain, check=False)
            virsh("undefine", domain, "--snapshots-metadata", "--managed-save", "--nvram")
            removed.append(f"domain {domain}")
    for volume in there["volume"]:
        machine = Path(volume).name.removeprefix(prefix).split(".")[0]
        if only is None or machine in only:
            virsh("vol-delete", volume)
            removed.append(f"volume {volume}")
    if only is None:
        for name in there["network"]:
            virsh("net-destroy", name, check=False)
            virsh("net-undefine", name)
            removed.append(f"network {name}")
    return removed
