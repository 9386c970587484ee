"""Which runs a comparison means: folders of reports, or the newest run of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from provision.support.errors import UserError


def find(given: str, reports: Callable[[], Path]) -> Path:
    """The folder of a run: `given` itself, or the newest one of the scenario of that name.

    `reports` gives the lab's folder of reports, and is asked only for a scenario's name. Folders
    there begin with the time of the run (UTC). Raises UserError when there is none.
    """
    folder = Path(given)
    if folder.is_dir():
        return folder
    where = reports()
    runs = sorted(path.parent for path in where.glob(f"*-{given}/report.json"))
    runs = [run for run in runs if run.name.partition("-")[2] == given]
    if not runs:
        raise UserError(
            f"There is no folder {given!r}, and no run of a scenario {given!r} in {where}.",
            f"Run it first: inv scenario {given}",
        )
    return runs[-1]
