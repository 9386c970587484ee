"""Which family of Linux distributions this host is of: only for advice in its own words."""

from __future__ import annotations

import platform
from collections.abc import Mapping

_FAMILIES = ("debian", "fedora", "suse", "arch")
_INSTALL = {
    "debian": "sudo apt-get install",
    "fedora": "sudo dnf install",
    "suse": "sudo zypper install",
    "arch": "sudo pacman -S",
}


def family() -> str:
    """ "debian", "fedora", "suse", "arch", or "" for another system.

    Source: os-release(5): ID_LIKE has what a distribution derives from, the closest first.
    """
    if platform.system() != "Linux":
        return ""
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return ""
    # openSUSE: ID="opensuse-tumbleweed", ID_LIKE="opensuse suse".
    words = [said.get("ID", ""), *said.get("ID_LIKE", "").split()]
    words = [{"ubuntu": "debian", "rhel": "fedora"}.get(word, word) for word in words]
    return next((word for word in words if word in _FAMILIES), "")


def install(packages: Mapping[str, str]) -> str:
    """The command that installs packages, given by family; "" where none is known for this host."""
    here = family()
    return f"{_INSTALL[here]} {packages[here]}" if here in packages else ""
