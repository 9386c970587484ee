"""What Vagrant and its providers need on this host."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from provision.lab.model import Lab
from provision.providers.libvirt import virsh
from provision.support.errors import UserError

# 2.2.19 is Debian 11's and Ubuntu 22.04's: the oldest that has been in use with what we render.
OLDEST_VAGRANT = (2, 2, 19)


def vagrant_version() -> str | None:
    """The version of the Vagrant that is found, None where there is none."""
    if not shutil.which("vagrant"):
        return None
    done = subprocess.run(
        ["vagrant", "--version"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "VAGRANT_CHECKPOINT_DISABLE": "1"},
    )
    found = re.search(r"(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else None


def check_vagrant() -> str:
    """Vagrant's version. Raises UserError where it is missing or too old."""
    version = vagrant_version()
    oldest = ".".join(map(str, OLDEST_VAGRANT))
    if version is None:
        raise UserError(
            "Vagrant is not installed.",
            "Debian: sudo apt-get install vagrant vagrant-libvirt; elsewhere: "
            "https://developer.hashicorp.com/vagrant/install",
        )
    if tuple(map(int, version.split("."))) < OLDEST_VAGRANT:
        raise UserError(f"Vagrant {version} is too old.", f"{oldest} or newer is needed.")
    return version


def provider_missing(name: str) -> str:
    """What a provider lacks on this host, in words; "" where it can be used.

    A plugin is looked for in the folders that Vagrant has for them: starting Vagrant to ask
    would take seconds.
    """
    if name == "libvirt":
        if not _plugin("vagrant-libvirt"):
            return "the plugin vagrant-libvirt is not installed"
        if not shutil.which("virsh"):
            return "libvirt is not installed (virsh)"
        said = virsh.answers()
        return f"libvirtd does not answer: {said}" if said else ""
    if name == "virtualbox":
        return "" if _virtualbox() else "VirtualBox is not installed (VBoxManage)"
    if name == "vmware_desktop":
        return "" if _plugin("vagrant-vmware-desktop") else "its Vagrant plugin is not installed"
    if name == "parallels":
        if not shutil.which("prlctl"):
            return "Parallels Desktop is not installed (prlctl)"
        return "" if _plugin("vagrant-parallels") else "its Vagrant plugin is not installed"
    if platform.system() != "Windows":
        return "Hyper-V is a part of Windows"
    return "" if shutil.which("powershell") else "PowerShell is not found"


def _virtualbox() -> bool:
    # On Windows its installer does not put it on PATH, and Vagrant knows that.
    program = os.environ.get("VBOX_MSI_INSTALL_PATH", "")
    return bool(shutil.which("VBoxManage") or (program and Path(program).is_dir()))


def _plugin(name: str) -> bool:
    home = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")
    installed = home / "plugins.json"
    if installed.is_file() and name in json.loads(installed.read_text()).get("installed", {}):
        return True
    system = Path("/usr/share/rubygems-integration/all/specifications")
    return any(system.glob(f"{name}-[0-9]*.gemspec")) or any(
        Path("/usr/share/vagrant-plugins/plugins.d").glob(f"{name}.json")
    )


def memory() -> int | None:
    """The host's memory in MiB, None where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    except (AttributeError, ValueError, OSError):
        return None


def memory_warnings(lab: Lab) -> list[str]:
    """A warning where the machines together want more memory than the host has."""
    wanted, has = sum(machine.memory for machine in lab.machines), memory()
    if has is not None and wanted > has:
        return [
            f"warning: the machines want {wanted} MiB of memory, this host has {has} MiB; "
            "they may be slow or not start (machines.memory in lab.toml)"
        ]
    return []
