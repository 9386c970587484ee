"""Disks that a power cut of this host has damaged: QEMU's cache is then lost in the middle of work.

Source: qemu-img(1): `check` ends with 2 for an image with errors, with 3 for one that only wastes
space; with 1 where it cannot look, such as into a disk that this user may not read.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from provision.providers.libvirt.virsh import run
from provision.support.tools import run_tool

_DAMAGED = 2
_LIMIT = 300.0  # seconds; a large disk on a slow host


def damaged(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """The disks with errors of machines that do not run, by the machine's name, where it can be
    seen."""
    found = {}
    for name in names:
        for disk in _disks(prefix + name):
            if _has_errors(disk):
                found[name] = disk
    return found


def _disks(domain: str) -> list[str]:
    rows = [row.split(maxsplit=3) for row in run("domblklist", domain, "--details").splitlines()]
    # "file disk vda /var/lib/libvirt/images/…"
    return [row[3] for row in rows if row[:2] == ["file", "disk"] and len(row) == 4]


def _has_errors(disk: str) -> bool:
    try:
        done = run_tool(["qemu-img", "check", disk], timeout=_LIMIT)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == _DAMAGED
