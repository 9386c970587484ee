"""virsh: one command, its output or its error."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from provision.support.errors import MachineError
from provision.support.tools import run_tool

_SYSTEMD = Path("/run/systemd/system")
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
    """Why libvirt does not answer, in its own words and with what to do; "" where it answers."""
    if urlsplit(URI).path == "/session":
        return (
            f"{URI} is asked (LIBVIRT_DEFAULT_URI), whose machines have no networks: unset "
            "LIBVIRT_DEFAULT_URI, or set it to qemu:///system"
        )
    # Of libvirt's daemons there may be one for each of machines, networks and disks.
    for question in (("uri",), ("net-list", "--name"), ("pool-list", "--name")):
        try:
            done = run_tool(["virsh", "--connect", URI, *question], timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            # "error: failed to connect to the hypervisor", then the reason.
            words = done.stderr.strip().rpartition("error: ")[2].replace("\n", " ")
            return f"{words}{_remedy(words)}"
    return ""


def _remedy(words: str) -> str:
    """What to do about a connection that failed, as a part of the sentence."""
    if "virtnetworkd" in words or "virtqemud" in words or "virtstoraged" in words:
        units = "virtqemud.socket virtnetworkd.socket virtstoraged.socket"
        if "no such file" in words.lower() or "refused" in words.lower():
            return f": start them, sudo systemctl enable --now {units}"
    lower = words.lower()
    if "no such file" in lower or "connection refused" in lower:
        if not _SYSTEMD.exists():
            return ": it does not run (make lab starts it, as root)"
        return ": it does not run, sudo systemctl enable --now libvirtd"
    if "permission denied" in lower or "authentication" in lower or "access denied" in lower:
        return (
            ": members of the group libvirt may use it, sudo usermod -aG libvirt $USER, then log "
            "out and in again"
        )
    return ""
