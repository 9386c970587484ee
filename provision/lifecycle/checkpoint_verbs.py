"""Checkpoints as verbs of a lab that is up."""

from __future__ import annotations

from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lifecycle import checkpoints, running
from provision.support.progress import Progress


def save_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Keep a checkpoint of a lab that is up. Raises UserError or MachineError."""
    running.ready(lab)
    with holding(lab.state, "checkpoint.save"), progress:
        checkpoints.save(lab, running.provider_of(lab), name, progress)


def restore_checkpoint(lab: Lab, name: str, progress: Progress) -> None:
    """Set all machines back to a checkpoint. Raises UserError where there is none of the name."""
    provider = running.provider_of(lab)
    with holding(lab.state, "checkpoint.restore"), progress:
        if name not in checkpoints.listed(lab, provider):
            raise checkpoints.unknown(lab, provider, name)
        checkpoints.restore(lab, provider, name, progress)


def delete_checkpoint(lab: Lab, name: str) -> None:
    """Delete a checkpoint. Raises UserError where there is none of the name."""
    provider = running.provider_of(lab)
    with holding(lab.state, "checkpoint.delete"):
        checkpoints.forget(lab, provider, name)
