"""The names that a lab's machines and networks have in its provider's lists."""

from __future__ import annotations

from pathlib import Path

LAB_LABEL, FOLDER_LABEL = "swarmrig.lab", "swarmrig.folder"


def prefix(lab: str) -> str:
    """What the names of a lab's machines begin with, in the provider's lists."""
    return f"swarmrig-{lab}_"


def network(lab: str) -> str:
    """The name of a lab's underlay in the provider's lists."""
    return f"swarmrig-{lab}"


def management(lab: str) -> str:
    """The name of the network over which this host reaches a lab's machines."""
    return f"swarmrig-{lab}-mgmt"


def networks(lab: str) -> tuple[str, str]:
    """Both of a lab's networks."""
    return network(lab), management(lab)


def labels(lab: str, state: Path) -> dict[str, str]:
    """The labels of all that belongs to a lab, for providers that have labels.

    The folder of its state tells labs of one name apart.
    """
    return {LAB_LABEL: lab, FOLDER_LABEL: str(state.resolve())}
