"""What can be given to the verbs that need a machine or a checkpoint."""

from __future__ import annotations

from provision.lab import load
from provision.lifecycle import checkpoints as kept
from provision.lifecycle import running


def machines(lab_file: str) -> list[tuple[str, str]]:
    """The machines of a lab, with their roles."""
    return [(machine.name, machine.role) for machine in load.load_lab(lab_file).machines]


def checkpoints(lab_file: str) -> list[tuple[str, str]]:
    """The checkpoints of a lab that is up. Raises UserError where it has none to offer."""
    lab = load.load_lab(lab_file)
    listed = kept.listed(lab, running.provider_of(lab))
    return [(name, made.made if made else "") for name, made in listed.items()]
