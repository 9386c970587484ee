"""The verbs same and compare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from provision.lab.load import load_lab
from provision.support import terminal
from provision.support.errors import CheckFailed
from scenarios.record import find, store
from scenarios.record.diff import difference
from scenarios.record.model import Record
from scenarios.report import compare as comparison

_LONGEST = 200  # characters of a folder's name


def same(first: str, second: str) -> None:
    """Compare two reports. Raises as `judge_same`, and UserError for no report."""
    one, other = ((store.load(Path(folder)), Path(folder)) for folder in (first, second))
    judge_same(one, other)


def compare(lab_file: str, runs: Sequence[str], to: str) -> None:
    """Show runs beside each other: report folders, or the newest runs of scenarios."""
    folders = [find.find(given, lambda: load_lab(lab_file).reports) for given in runs]
    folder = Path(to) if to else folders[-1].absolute().parent / _beside(folders)
    comparison.write_comparison([store.load(one) for one in folders], folder)
    terminal.say(f"Comparison: {os.path.relpath(folder / 'comparison.html')}")
    if (folder / "failure.html").exists():
        terminal.say(f"The same failure: {os.path.relpath(folder / 'failure.html')}")


def _beside(folders: Sequence[Path]) -> str:
    """The name of a comparison's folder, no longer than file systems take."""
    whole = "-beside-".join(folder.name for folder in folders)
    return (
        whole if len(whole) <= _LONGEST else f"{folders[0].name}-beside-{len(folders) - 1}-others"
    )


def judge_same(first: tuple[Record, Path], second: tuple[Record, Path]) -> None:
    """Compare two records, each with its report's folder.

    Raises CheckFailed where the two runs differ, or where both failed alike.
    """
    names = (os.path.relpath(first[1]), os.path.relpath(second[1]))
    shown = difference(first[0], second[0], names)
    if shown:
        terminal.say(shown)
        raise CheckFailed(
            "The two runs differ.",
            "Above: lines of the first run (-) and of the second (+), without ids and timings",
        )
    if first[0].verdict != "passed":
        raise CheckFailed(
            f"Both runs gave the same result, and neither passed: {first[0].verdict}.",
            f"Open {names[0]}/report.html",
        )
    terminal.say(
        "Both runs gave the same result (ids, timings and assigned addresses are not compared)."
    )
