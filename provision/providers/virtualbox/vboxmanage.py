"""VBoxManage: where it is, what it says, and which version it has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from provision.support.errors import MachineError
from provision.support.tools import run_tool

_VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Installed:
    """What `VBoxManage --version` says: the version, and what it complains of, "" for nothing."""

    version: tuple[int, int, int] | None
    complaint: str = ""

    def __str__(self) -> str:
        return ".".join(map(str, self.version or ())) or "of an unknown version"


def find() -> str:
    """The program, "" where there is none.

    On Windows its installer does not put it on PATH; these are the places where Vagrant looks.
    Source: plugins/providers/virtualbox/driver/base.rb of Vagrant 2.4.9
    """
    if found := shutil.which("VBoxManage"):
        return found
    if sys.platform != "win32":
        return ""
    named = os.environ.get("VBOX_INSTALL_PATH") or os.environ.get("VBOX_MSI_INSTALL_PATH") or ""
    folders = [Path(one) for one in named.split(";") if one]
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)"):
        if programs := os.environ.get(variable):
            folders.append(Path(programs) / "Oracle" / "VirtualBox")
    files = (folder / "VBoxManage.exe" for folder in folders)
    return next((str(file) for file in files if file.is_file()), "")


def installed() -> Installed:
    """The version of VirtualBox, and why no machine would start, in its own words.

    They stand before the version, on several lines: "WARNING: The vboxdrv kernel module is not
    loaded. …", "WARNING: The character device /dev/vboxdrv does not exist. …".
    """
    try:
        done = run_tool([find() or "VBoxManage", "--version"], timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Installed(None, f"VBoxManage --version: {error}")
    said = f"{done.stdout}\n{done.stderr}"
    if not (found := _VERSION.search(said)):
        return Installed(None, " ".join(said.split()) or "VBoxManage --version prints nothing")
    major, minor, patch = map(int, found.groups())
    before = said[: found.start()]
    broken = re.search(r"vboxdrv|kernel modules? (is|are) not loaded", before, re.IGNORECASE)
    complaint = " ".join(before.split()).removeprefix("WARNING: ") if broken else ""
    return Installed((major, minor, patch), complaint)


def run(*args: str, limit: float = 60) -> str:
    """What VBoxManage prints. Raises MachineError in its own words."""
    try:
        done = run_tool([find() or "VBoxManage", *args], timeout=limit, new_session=True)
    except FileNotFoundError:
        raise MachineError("VirtualBox: VBoxManage is not installed.", "Run inv doctor.") from None
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"VirtualBox: VBoxManage {' '.join(args)} did not end within {limit:.0f} s.",
            "Its service VBoxSVC may be stuck: close VirtualBox's windows and try again.",
        ) from None
    if done.returncode != 0:
        words = " ".join(done.stderr.split()).removeprefix("VBoxManage: error: ")
        raise MachineError(f"VirtualBox: VBoxManage {' '.join(args)}: {words}", "Run inv doctor.")
    return done.stdout
