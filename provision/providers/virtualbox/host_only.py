"""The ranges of addresses in which VirtualBox allows host-only networks.

Source: https://www.virtualbox.org/manual/ch06.html#network_hostonly, and what Vagrant 2.4.9 makes
of it in plugins/providers/virtualbox/action/network.rb
"""

from __future__ import annotations

import contextlib
import platform
import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from pathlib import Path

from provision.lab.model import Lab
from provision.support.errors import UserError

RANGES = Path("/etc/vbox/networks.conf")
Network = IPv4Network | IPv6Network
_DEFAULT: tuple[Network, ...] = (IPv4Network("192.168.56.0/21"), IPv6Network("fe80::/10"))
_SINCE = (6, 1, 28)
# From then on macOS has host-only networks of another kind.
_NOT_ON_MACOS = (7, 0)


def problem(lab: Lab, version: tuple[int, ...] | None) -> UserError | None:
    """The error of a lab with addresses that VirtualBox does not let it have on this host."""
    if not version or not restricted(version):
        return None
    ranges = allowed()
    subnet = IPv4Network(lab.subnet)
    used = [subnet[1], *(IPv4Address(machine.address) for machine in lab.machines)]
    if all(any(address in one for one in ranges) for address in used):
        return None
    listed = " ".join(map(str, ranges)) or "nothing"
    by = f"{RANGES}" if RANGES.exists() else f"its default, since there is no {RANGES}"
    roomy = (one for one in ranges if isinstance(one, IPv4Network) and one.prefixlen <= 24)
    example = next((f'"{one.network_address}/24"' for one in roomy), "another")
    line = " ".join(["*", *map(str, ranges), str(subnet)])
    return UserError(
        f"{lab.file.name}: network.subnet: {subnet} is not in what VirtualBox allows for host-only "
        f"networks: {listed} ({by}).",
        f"Take network.subnet = {example}, or allow this one in {RANGES}, with the line: {line}",
    )


def restricted(version: tuple[int, ...]) -> bool:
    """Whether a VirtualBox of that version keeps to the ranges on this host; none on Windows does,
    under WSL neither: it is Windows' own that runs there."""
    if sys.platform == "win32" or "microsoft" in platform.release().lower():
        return False
    return version >= _SINCE and not (sys.platform == "darwin" and version >= _NOT_ON_MACOS)


def allowed() -> tuple[Network, ...]:
    """The ranges: those of the lines `* RANGE …` in the file, or the default where there is none.

    What is no range in such a line is left out, as VirtualBox does not know it either.
    """
    try:
        lines = RANGES.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return _DEFAULT
    found: list[Network] = []
    for line in lines:
        marked, star, rest = line.strip().partition("*")
        if star and not marked:
            for word in rest.split():
                with contextlib.suppress(ValueError):
                    found.append(ip_network(word, strict=False))
    return tuple(found)
