"""`destroy`: remove everything that `up` made, and verify that it is gone."""

from __future__ import annotations

import shutil

from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.lab.state import LabState
from provision.lifecycle import applied, revert
from provision.providers import lab_index, select
from provision.support.errors import MachineError
from provision.support.progress import Progress


def destroy(lab: Lab, progress: Progress, purge: bool = False) -> list[str]:
    """Remove all that `up` made, from any state, and verify that it is gone; what was removed.

    The state folder decides what there is to remove, whatever lab.toml says by now. On existing
    hosts Docker stays where `up` installed it, unless `purge` is given. Raises MachineError that
    names what is left.
    """
    if not lab.state.exists():
        return select.orphans(lab)
    with holding(lab.state, "destroy"):
        lab = applied.existing(lab)
        try:
            provider = select.of_state(lab)
        except MachineError as error:
            progress.say(f"going by the lab's name alone: {error}")
            provider = None
        removed = [] if provider else select.orphans(lab)
        if provider:
            # Asked first: what was made of what is in the state folder.
            stays = provider.stays()
            with progress:
                removed = revert.revert(lab, provider, purge, progress)
                removed += provider.destroy(progress)
                left = [*revert.leftovers(lab), *provider.leftovers()]
            if left:
                log = lab.files.vagrant_log
                raise MachineError(
                    f"Lab {lab.name!r} is not gone: {'; '.join(left)}.",
                    "Run inv destroy again" + (f"; the log is {log}." if log.exists() else "."),
                )
            for what in stays:
                progress.say(f"kept: {what}")
        # A later `destroy --purge` must still know what was there before.
        kept = applied.journal_of(lab.files).hosts()
        _empty_state(lab.files, bool(kept))
        if not kept:
            lab_index.forget(lab.state)
    return removed if kept else [*removed, f"{lab.state}"]


def _empty_state(files: LabState, keep_hosts: bool) -> None:
    """Remove all but the lock, and what undoes changes of hosts if `keep_hosts`.

    The folder itself is removed when the lock is released.
    """
    # Last, what shows that there is a lab: after an interruption it can still be destroyed.
    last = {files.applied, files.pending, files.plan}
    kept = {files.applied, files.pending, files.journal} if keep_hosts else set()
    for path in sorted(files.folder.iterdir(), key=lambda path: path in last):
        if path in {files.lock, files.holder, *kept}:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
