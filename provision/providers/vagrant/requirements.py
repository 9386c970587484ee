"""What Vagrant and its providers need on this host."""

from __future__ import annotations

import os
import re
import shutil

from provision.lab.model import Lab
from provision.providers.backend import Backend
from provision.support import distribution
from provision.support.errors import UserError
from provision.support.tools import run_tool

# 2.2.19 is Debian 11's and Ubuntu 22.04's: the oldest that our Vagrantfile has been used with.
OLDEST_VAGRANT = (2, 2, 19)
_PACKAGES = {
    **dict.fromkeys(("debian", "fedora", "suse"), "vagrant vagrant-libvirt"),
    # The plugin is no package there.
    "arch": "vagrant",
}


def vagrant_version() -> str | None:
    """The version of the installed Vagrant, None where there is none."""
    if not shutil.which("vagrant"):
        return None
    environment = {**os.environ, "VAGRANT_CHECKPOINT_DISABLE": "1"}
    done = run_tool(["vagrant", "--version"], environment=environment)
    found = re.search(r"(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else None


def check_vagrant() -> str:
    """Vagrant's version. Raises UserError where it is missing or too old."""
    version = vagrant_version()
    oldest = ".".join(map(str, OLDEST_VAGRANT))
    if version is None:
        command = distribution.install(_PACKAGES)
        raise UserError(
            "Vagrant is not installed.",
            f"{f'{command}; or ' if command else ''}https://developer.hashicorp.com/vagrant/install",
        )
    if tuple(map(int, version.split("."))) < OLDEST_VAGRANT:
        raise UserError(f"Vagrant {version} is too old.", f"{oldest} or newer is needed.")
    return version


def provider_lacks(backend: Backend, vagrant: str) -> str:
    """Why a provider cannot be used on this host, in words; "" where it can be."""
    return backend.missing() or backend.unusable(vagrant)


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
