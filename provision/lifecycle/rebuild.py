"""`rebuild`: reset a lab to the state after `up`."""

from __future__ import annotations

from collections.abc import Callable

from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.lifecycle import applied, checkpoints, destroy, running, up
from provision.providers import select
from provision.support.errors import MachineError
from provision.support.progress import Progress


def rebuild(lab: Lab, progress: Progress, cold: bool = False) -> Ready:
    """Reset the lab to the state after `up`.

    From the checkpoint "ready" in seconds. Where there is none of this lab, or with `cold`, the lab
    is recreated, and the reason is shown. Raises as `up` and `destroy`.
    """
    with holding(lab.state, "rebuild"):
        provider = select.of_state(lab) if applied.fits(lab) else None
        why = "--cold" if cold else checkpoints.why_not_ready(lab, provider)
        if provider and not why:
            try:
                with progress:
                    checkpoints.restore(lab, provider, checkpoints.READY, progress)
                return running.ready(lab)
            except MachineError as error:
                why = str(error)
        progress.say(f"recreating the lab: {why}")
        destroy.destroy(lab, progress)
        return up.up(lab, progress)


def to_ready(lab: Lab, progress: Progress | None = None) -> str:
    """Restore the checkpoint "ready" where there is one of this lab; else why it cannot be.

    Raises MachineError where the restoring fails.
    """
    with holding(lab.state, "catch-up"):
        if not applied.fits(lab):
            return f"{lab.file.name} has changed since the lab was brought up"
        provider = select.of_state(lab)
        why = checkpoints.why_not_ready(lab, provider)
        if provider and not why:
            with progress or Progress() as shown:
                checkpoints.restore(lab, provider, checkpoints.READY, shown)
        return why


def again(cold: bool) -> Callable[[Lab], Ready]:
    """`rebuild` as a function of the lab alone, for a verb that rebuilds between two runs."""
    return lambda lab: rebuild(lab, Progress(), cold)
