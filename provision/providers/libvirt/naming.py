"""The names that a lab's machines and networks have in libvirt."""

from __future__ import annotations


def prefix(lab: str) -> str:
    """What the names of a lab's machines begin with, in libvirt's lists."""
    return f"swarmrig-{lab}_"


def network(lab: str) -> str:
    """The name of a lab's underlay in libvirt's lists."""
    return f"swarmrig-{lab}"


def management(lab: str) -> str:
    """The name of the network over which this host reaches a lab's machines."""
    return f"swarmrig-{lab}-mgmt"


def networks(lab: str) -> tuple[str, str]:
    """Both of a lab's networks."""
    return network(lab), management(lab)
