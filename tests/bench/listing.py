"""`inv --list` here against `inv --list` with an empty tasks.py: what the verbs add to a start."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import CLONE, INV
from tests.bench.measure import by_turns


def run(runs: int) -> Iterator[str]:
    def list_in(folder: Path) -> None:
        subprocess.run([INV, "--list"], cwd=folder, check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as empty:
        folder = Path(empty)
        # With no task at all, `inv --list` is an error.
        (folder / "tasks.py").write_text(
            "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"
        )
        for place in (CLONE, folder):
            list_in(place)  # byte code is written once
        yield by_turns(
            "inv --list against an empty tasks.py",
            ("inv --list", lambda: list_in(CLONE)),
            ("an empty tasks.py", lambda: list_in(folder)),
            runs,
        ).told()
