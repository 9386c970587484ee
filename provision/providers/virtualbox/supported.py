"""Which versions of VirtualBox the installed Vagrant can drive."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

Number = tuple[int, ...]

# The Vagrant that came to know a version of VirtualBox, the newest first.
# Source: https://github.com/hashicorp/vagrant/blob/main/CHANGELOG.md, GH-13709, 13513, 12947, 11250
_SINCE: tuple[tuple[Number, Number], ...] = (
    ((2, 4, 9), (7, 2)),
    ((2, 4, 2), (7, 1)),
    ((2, 3, 2), (7, 0)),
    ((2, 2, 7), (6, 1)),
)
# Where a Vagrant keeps the list of those it knows; distributions add to it in their own packages.
_LIST = "plugins/providers/virtualbox/driver/meta.rb"
_DRIVER = re.compile(r'^\s*"(\d+)\.(\d+)"\s*=>\s*Version_', re.MULTILINE)


def problem(vagrant: str, virtualbox: Number | None) -> str:
    """Why this Vagrant does not drive this VirtualBox, and what to do; "" where it does.

    A Vagrant or VirtualBox that is newer than what is known here is not judged.
    """
    if not virtualbox:
        return ""
    ours, newest = number(vagrant), _newest(vagrant)
    if not newest or virtualbox[:2] <= newest:
        return ""
    needed = next((text(since) for since, known in _SINCE if known == virtualbox[:2]), "")
    if not needed and ours > _SINCE[0][0]:
        return ""
    remedy = f"install Vagrant {needed} or newer, or " if needed else "install "
    return (
        f"Vagrant {vagrant} supports VirtualBox up to {text(newest)}, and "
        f"{text(virtualbox[:2])} is installed: {remedy}VirtualBox {text(newest)}"
    )


def _newest(vagrant: str) -> Number:
    """The newest VirtualBox that a Vagrant knows, by its own list where that can be read."""
    for file in _lists(vagrant):
        try:
            found = _DRIVER.findall(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            return max((int(major), int(minor)) for major, minor in found)
    return next((known for since, known in _SINCE if since <= number(vagrant)), ())


def _lists(vagrant: str) -> list[Path]:
    """Where the list lies: in the packages of Debian, of Fedora, or in HashiCorp's own."""
    program = Path(shutil.which("vagrant") or "vagrant").resolve()
    if program.is_relative_to("/usr/bin"):
        debian = Path("/usr/share/rubygems-integration/all/gems") / f"vagrant-{vagrant}"
        return [debian / _LIST, Path("/usr/share/vagrant") / _LIST]
    gems = program.parent.parent / "embedded" / "gems"
    return [file / _LIST for file in gems.glob(f"**/gems/vagrant-{vagrant}")]


def number(version: str) -> Number:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def text(version: Number) -> str:
    return ".".join(map(str, version))
