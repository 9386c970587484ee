"""libvirt's own lists, asked with virsh: quick, and true whatever Vagrant remembers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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


def belongings(prefix: str, network: str) -> dict[str, list[str]]:
    """What libvirt has of a lab: {"domain": […], "volume": [paths], "network": […]}."""
    volumes = []
    for pool in virsh("pool-list", "--name").split():
        for line in virsh("vol-list", pool, check=False).splitlines():
            name = line.split()[0] if line.split() else ""
            if name.startswith(prefix):
                volumes.append(line.split(maxsplit=1)[1].strip())
    return {
        "domain": [n for n in virsh("list", "--all", "--name").split() if n.startswith(prefix)],
        "volume": volumes,
        "network": [
            n
            for n in virsh("net-list", "--all", "--name").split()
            if n in {network, f"{network}-mgmt"}
        ],
    }


def purge(prefix: str, network: str, only: set[str] | None = None) -> list[str]:
    """Remove exactly what carries the lab's prefix or is its network; what was removed.

    With `only`, just the domains and volumes of these machines: half-made ones, before an `up`.
    """
    removed: list[str] = []
    there = belongings(prefix, network)
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
