"""Whether KVM truly works here: decided by trying, not by /dev/kvm being there.

There are machines (nested ones, above all) where /dev/kvm opens and a guest kernel then hangs. So
a real Linux kernel is booted, without a disk: when it says on the serial port that it finds no
root file system, its memory, timers and interrupts have all worked.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provision.support import cache
from provision.support.files import write_atomic

PATIENCE = 20  # seconds; a guest that works says its line in two or three
# What a kernel without a root file system says when it has come through its whole start.
_LINE = b"VFS: Unable to mount root fs"
# Where no kernel may be read, the least of guests: 16-bit code that says K on the serial port.
_SECTOR = bytes.fromhex("baf803b04beef4ebfd").ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Verdict:
    """Whether KVM works, why that is believed, and whether it was tried just now."""

    works: bool
    why: str
    cached: bool


def verdict(fresh: bool = False) -> Verdict:
    """Try KVM, or take the verdict of an earlier trial on this boot, kernel and QEMU."""
    if platform.system() != "Linux":
        return Verdict(False, "KVM is a part of Linux", False)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        there = Path("/dev/kvm").exists()
        why = "/dev/kvm may not be opened by this user" if there else "there is no /dev/kvm"
        return Verdict(False, why, False)
    qemu = shutil.which(f"qemu-system-{platform.machine()}")
    if not qemu:
        return Verdict(False, "QEMU is not installed", False)
    file = cache.folder() / "kvm.json"
    key = [_boot(), platform.release(), _version(qemu), str(_kernel())]
    if not fresh and file.is_file():
        kept = json.loads(file.read_text())
        if kept["key"] == key:
            return Verdict(kept["works"], kept["why"], True)
    works, why = _try(qemu)
    write_atomic(file, json.dumps({"key": key, "works": works, "why": why}))
    return Verdict(works, why, False)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _version(qemu: str) -> str:
    done = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


def _kernel() -> Path | None:
    """A Linux kernel that may be read: one from a built box, or the host's own."""
    kept = cache.folder() / "trial-vmlinuz"
    own = sorted(Path("/boot").glob("vmlinuz-*"), reverse=True)
    return next((path for path in (kept, *own) if os.access(path, os.R_OK)), None)


def _try(qemu: str) -> tuple[bool, str]:
    kernel = _kernel()
    base = [qemu, "-accel", "kvm", "-m", "256", "-display", "none", "-no-reboot", "-nodefaults"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if kernel:
            arguments = ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
            expected, guest = _LINE, "a Linux guest"
        else:
            (folder / "disk").write_bytes(_SECTOR)
            arguments = ["-drive", f"file={folder / 'disk'},format=raw,if=ide"]
            expected, guest = b"K", "a minimal guest (no kernel here may be read)"
        said = _serial([*base, *arguments, "-serial", "stdio"])
    if expected in said:
        return True, f"{guest} ran on KVM"
    return False, f"{guest} did not come up on KVM within {PATIENCE} s, though /dev/kvm is there"


def _serial(argv: list[str]) -> bytes:
    """What the guest says on its serial port until its end or the limit."""
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as expired:
        # The minimal guest never ends by itself: what it has said counts all the same.
        return expired.stdout or b""
    return done.stdout
