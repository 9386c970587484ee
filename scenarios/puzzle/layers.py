"""The layers that an answer names, in the words of those who run networks."""

from __future__ import annotations

from provision.support.errors import UserError
from provision.support.text import did_you_mean

LAYERS = {
    "underlay": "between the machines: links, addresses, packet filters",
    "mtu": "the size of the packets that pass",
    "overlay": "the overlay network: its driver, who is in it, its VXLAN packets",
    "control": "what the nodes tell each other: the managers' port, gossip",
    "names": "which address a name leads to",
    "scheduling": "where and how often tasks run: nodes, constraints, replicas",
    "service": "what a service is: its image, its ports, its networks",
    "engine": "Docker's daemon and its configuration",
}
# The answer where the fault is in what the swarm was told, and on no machine.
SWARM = "swarm"


def checked(layer: str) -> str:
    """A layer that was given. Raises UserError for what is none."""
    if layer in LAYERS:
        return layer
    near = did_you_mean(layer, list(LAYERS))
    raise UserError(
        f"There is no layer {layer!r}{f': {near}' if near else '.'}",
        f"Layers: {', '.join(LAYERS)}.",
    )
