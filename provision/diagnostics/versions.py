"""The versions of what runs on the controlling host: for the record, the lock, a bug report."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

from provision.providers.vagrant import requirements

# How each provider shows its version; the others show it only in a window.
_PROVIDERS = {
    "libvirt": ("virsh", "--version"),
    "virtualbox": ("VBoxManage", "--version"),
    "parallels": ("prlctl", "--version"),
}


def provider_tools(provider: str) -> dict[str, str]:
    """Vagrant's version, and the provider's if it shows one; slow, because Vagrant is called."""
    if provider == "hosts":
        return {}
    found = {
        "vagrant": requirements.vagrant_version() or "",
        provider: _said(_PROVIDERS.get(provider, ())),
    }
    if provider == "libvirt":
        found["qemu"] = _said((f"qemu-system-{platform.machine()}", "--version"))
    return {name: number for name, number in found.items() if number}


def _said(command: tuple[str, ...]) -> str:
    if not command or not shutil.which(command[0]):
        return ""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    number = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return number[0] if number else ""
