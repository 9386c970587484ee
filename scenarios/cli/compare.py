"""The verbs same and compare."""

from __future__ import annotations

import os
from pathlib import Path

from provision.lab.load import load_lab
from provision.support import terminal
from provision.support.errors import CheckFailed
from scenarios.record import find, store
from scenarios.record.diff import difference
from scenarios.record.model import Record
from scenarios.report import compare as comparison


def same(first: str, second: str) -> None:
    """Compare two reports. Raises as `judge_same`, and UserError for no report."""
    one, other = ((store.load(Path(folder)), Path(folder)) for folder in (first, second))
    judge_same(one, other)


def compare(lab_file: str, first: str, second: str, to: str) -> None:
    """Show two runs side by side: report folders, or the newest runs of two scenarios."""
    one, other = (find.find(given, lambda: load_lab(lab_file).reports) for given in (first, second))
    folder = Path(to) if to else other.absolute().parent / f"{one.name}-beside-{other.name}"
    comparison.write_comparison(store.load(one), store.load(other), folder)
    terminal.say(f"Comparison: {os.path.relpath(folder / 'comparison.html')}")


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
