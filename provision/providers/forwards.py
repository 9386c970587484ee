"""Forwarded ports that this host has no room for, found before a machine boots."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection

from provision.lab.model import Forward, Lab
from provision.support.errors import UserError


def check(lab: Lab, machines: Collection[str], held: Collection[Forward] = ()) -> None:
    """Raises UserError for ports of these machines, which do not run, that are taken here.

    Those that the lab itself holds still are `held`.
    """
    lines = [
        f"{lab.file.name}: machines[{number}].forward[{place}]: {problem}"
        for number, machine in enumerate(lab.machines, start=1)
        if machine.name in machines
        for place, forward in enumerate(machine.forward, start=1)
        if forward not in held and (problem := _problem(forward))
    ]
    if lines:
        raise UserError("\n".join(lines), "Take another port of this host, or free that one.")


def _problem(forward: Forward) -> str:
    where = f"port {forward.host} of {forward.address}"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        if os.name == "posix":
            # Else a connection that has just ended counts as one that is open.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((forward.address, forward.host))
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    return f"{where} is in use on this host"
                case errno.EADDRNOTAVAIL:
                    return f"{forward.address} is no address of this host"
                case errno.EACCES:
                    # vagrant-libvirt and Docker's daemon can open it as root all the same.
                    return ""
                case _:
                    return f"{where} cannot be used on this host: {error.strerror}"
    return ""
