"""`destroy`: remove everything that `up` made, and verify that it is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from provision.changes import journal
from provision.lab.lock import HOLDER, LOCK, holding
from provision.lab.model import Lab
from provision.lifecycle import revert
from provision.providers import lab_index, select
from provision.support.errors import MachineError
from provision.support.progress import Progress


def destroy(lab: Lab, progress: Progress, purge: bool = False) -> list[str]:
    """Remove all that `up` has made, from any state, and see that it is gone; what was removed.

    Of existing hosts Docker stays, where `up` has installed it, until `purge` is asked for.
    Raises MachineError that names what is still there.
    """
    if not lab.state.exists():
        return select.orphans(lab)
    with holding(lab.state, "destroy"):
        try:
            provider = select.of_state(lab)
        except MachineError as error:
            progress.say(f"going by the lab's name alone: {error}")
            provider = None
        removed = [] if provider else select.orphans(lab)
        if provider:
            with progress:
                removed = revert.revert(lab, provider, purge, progress)
                removed += provider.destroy(progress)
                left = [*revert.leftovers(lab), *provider.leftovers()]
            if left:
                log = lab.state / "vagrant.log"
                raise MachineError(
                    f"Lab {lab.name!r} is not gone: {'; '.join(left)}.",
                    "Run inv destroy again" + (f"; the log is {log}." if log.exists() else "."),
                )
        # A later `destroy --purge` must still know what was there before.
        kept = {"lab.toml", "journal.json"} if journal.of_lab(lab).hosts() else set()
        _empty_state(lab.state, kept)
        if not kept:
            lab_index.forget(lab.state)
    return removed if kept else [*removed, f"{lab.state}"]


def _empty_state(state: Path, kept: set[str]) -> None:
    """All but `kept`, and what holds the lab: the folder itself goes when it is released."""
    # Last, what tells that there is a lab: an end in the middle leaves one that can be destroyed.
    last = ("lab.toml", "plan.json")
    for path in sorted(state.iterdir(), key=lambda path: path.name in last):
        if path.name in {LOCK, HOLDER, *kept}:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
