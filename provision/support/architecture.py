"""This host's processor architecture."""

from __future__ import annotations

import platform

from provision.support.errors import UserError


def debian_architecture() -> str:
    """This host's architecture as Debian names it. Raises UserError for one without a box."""
    machine = platform.machine().lower()
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    if machine not in known:
        raise UserError(f"No box can be built for {machine}.", "amd64 and arm64 can.")
    return known[machine]
