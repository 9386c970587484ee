"""The versions of what runs on the controlling host: for the record, the lock, a bug report."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

from provision import host

_LIBRARIES = ("docker", "fabric", "invoke", "jinja2", "paramiko", "python-vagrant")
# How each provider tells its version; the rest tells it nowhere but in a window.
_PROVIDERS = {
    "libvirt": ("virsh", "--version"),
    "virtualbox": ("VBoxManage", "--version"),
    "parallels": ("prlctl", "--version"),
}


def tools() -> dict[str, str]:
    """Swarmrig, Python, and the libraries that drive everything."""
    return {
        "swarmrig": _own(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def provider_tools(provider: str) -> dict[str, str]:
    """Vagrant, and the provider where it tells; slow, for Vagrant is asked."""
    if provider == "hosts":
        return {}
    found = {"vagrant": host.vagrant_version() or "", provider: _said(_PROVIDERS.get(provider, ()))}
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


def _own() -> str:
    file = Path(__file__).parent.parent / "pyproject.toml"
    return str(tomllib.loads(file.read_text())["project"]["version"])
