"""This machine as an arm64 host, for what Swarmrig does on one: emulated by QEMU, and slow.

Swarmrig asks Python for the architecture, so another answer makes it build boxes and boot machines
of arm64. What it runs itself stays this machine's, mmdebstrap for example; what that runs of the
new system is emulated.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from provision.providers.boxes import boot, build, busybox
from provision.providers.libvirt import hardware
from provision.support import architecture
from provision.support.tools import run_tool
from tests.vm.arm64_host import programs

# Before the usual places: the answer about the architecture, and the program that needs help.
FOLDER = Path(__file__).parent
_QEMU_USER = "qemu-aarch64-static"


def why_not() -> str:
    """Why this machine cannot be one, "" where it can."""
    if platform.machine() == "aarch64":
        return "this is an arm64 host: all other tests of machines show what this one would"
    needed = (hardware.of("arm64").qemu, _QEMU_USER, "mmdebstrap", "mcopy", "mkfs.vfat")
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [tool for tool in needed if not shutil.which(tool, path=search)]
    if not any(Path(place).is_file() for place in hardware.of("arm64").firmware):
        missing.append("UEFI for arm64")
    return f"missing here: {', '.join(missing)}" if missing else programs.why_not()


def environment() -> dict[str, str]:
    """For a command that is to believe it."""
    return {"PYTHONPATH": str(FOLDER)}


def build_box() -> Path:
    """The box for arm64, built as on any arm64 host; the kernel that is in it."""

    def emulated(argv: Sequence[str]) -> CompletedProcess[str]:
        return run_tool([_QEMU_USER, *argv])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architecture, "debian_architecture", lambda: "arm64")
        patch.setattr(busybox, "run_tool", emulated)
        patch.setenv("PATH", f"{FOLDER}{os.pathsep}{os.environ['PATH']}")
        build.build()
        return boot.kept_kernel()
