"""virsh: one command, its output or its error."""

from __future__ import annotations

import os
import subprocess

from provision.support.errors import MachineError
from provision.support.tools import run_tool

URI = os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system")


def run(*args: str, check: bool = True, limit: float = 60) -> str:
    """Run virsh for `limit` seconds at most; its output. Raises MachineError in libvirt's words."""
    try:
        done = run_tool(
            ["virsh", "--quiet", "--connect", URI, *args],
            timeout=limit,
            # virsh is to finish what it does when we are interrupted.
            new_session=True,
        )
    except FileNotFoundError:
        raise MachineError("libvirt: virsh is not installed.", "Run inv doctor.") from None
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"libvirt: virsh {' '.join(args)} did not end within {limit:.0f} s.",
            "libvirtd may be busy or stuck: run inv doctor.",
        ) from None
    if check and done.returncode != 0:
        words = " ".join(done.stderr.split()).removeprefix("error: ")
        raise MachineError(
            f"libvirt: virsh {' '.join(args)}: {words}",
            "Check that libvirtd runs, and that you are in the group libvirt.",
        )
    return done.stdout


def connection_error() -> str:
    """Why libvirt does not answer, in its own words; "" where it answers."""
    try:
        done = run_tool(["virsh", "--connect", URI, "uri"], timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().replace("\n", " ")
