"""Keys of one machine that depend on its provider: box, disk and forwarded ports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from provision.lab.model import MachineSpec

_ANY = "0.0.0.0"  # noqa: S104 - compared with, and bound to only where lab.toml says it
# Providers that cannot do it, and why.
_NO_BOX = {
    "hosts": "the host has a system already",
    "docker": "machines that are containers are made of an image that is built here",
}
_NO_DISK = {
    "hosts": "the host has its disk already",
    "docker": "a container has no disk of its own: it shares the one of the Docker engine",
    "parallels": "Vagrant does not set the size of a disk there",
}
_NO_FORWARD = {
    "hosts": "the host can be reached itself",
    "hyperv": "Vagrant forwards no ports there; a machine can be reached at its address",
}


def problems(provider: str, machines: Sequence[MachineSpec]) -> Iterator[tuple[str, str]]:
    """What is wrong: the key, and the reason."""
    for number, machine in enumerate(machines, start=1):
        for key, given, refused in (
            ("box", machine.box, _NO_BOX),
            ("disk", machine.disk, _NO_DISK),
            ("forward", machine.forward, _NO_FORWARD),
        ):
            if given and (reason := refused.get(provider)):
                yield f"machines[{number}].{key}", f'not with provider = "{provider}": {reason}'
    yield from _forwards(machines)


def _forwards(machines: Sequence[MachineSpec]) -> Iterator[tuple[str, str]]:
    taken: list[tuple[str, int, str]] = []
    for number, machine in enumerate(machines, start=1):
        for place, forward in enumerate(machine.forward, start=1):
            key = f"machines[{number}].forward[{place}]"
            if not _is_address(forward.address):
                yield f"{key}.address", f"given {forward.address!r}; allowed: an IPv4 address"
                continue
            for address, port, whose in taken:
                if port == forward.host and _same(address, forward.address):
                    yield f"{key}.host", f"{port} is already taken by {whose}"
            taken.append((forward.address, forward.host, machine.name))


def _same(one: str, other: str) -> bool:
    return one == other or _ANY in (one, other)


def _is_address(text: str) -> bool:
    try:
        return IPv4Address(text) not in IPv4Network("224.0.0.0/3")
    except ValueError:
        return False
