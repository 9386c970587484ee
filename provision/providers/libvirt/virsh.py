"""virsh: one command, its output or its error."""

from __future__ import annotations

import os
import subprocess

from provision.support.errors import MachineError

URI = os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system")


def run(*args: str, check: bool = True, limit: float = 60) -> str:
    """Run virsh for `limit` seconds at most; its output. Raises MachineError in libvirt's words."""
    try:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", URI, *args],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            # virsh is to end what it is at when we are interrupted, so it does not hear of it.
            start_new_session=True,
            timeout=limit,
        )
    except FileNotFoundError:
        raise MachineError("libvirt: virsh is not installed.", "inv doctor tells more.") from None
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"libvirt: virsh {' '.join(args)} did not end within {limit:.0f} s.",
            "Is libvirtd busy or stuck? inv doctor asks it.",
        ) from None
    if check and done.returncode != 0:
        words = " ".join(done.stderr.split()).removeprefix("error: ")
        raise MachineError(
            f"libvirt: virsh {' '.join(args)}: {words}",
            "Does libvirtd run, and are you in the group libvirt?",
        )
    return done.stdout


def answers() -> str:
    """ "" where libvirt answers, else what it says."""
    try:
        done = subprocess.run(
            ["virsh", "--connect", URI, "uri"],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().replace("\n", " ")
