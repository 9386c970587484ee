"""The names that a lab's machines and networks have in libvirt."""

from __future__ import annotations


def prefix(name: str) -> str:
    """What the names of a lab's machines begin with, in libvirt's lists."""
    return f"swarmrig-{name}_"


def network(name: str) -> str:
    """The name of a lab's underlay in libvirt's lists; "-mgmt" follows for the other one."""
    return f"swarmrig-{name}"
