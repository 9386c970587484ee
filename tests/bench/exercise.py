"""The overlay scenario against a shell script of the same commands over ssh."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import CLONE, INV
from tests.bench.light import light_lab
from tests.bench.measure import Comparison, by_turns

SCRIPT = str(Path(__file__).parent / "by_hand" / "overlay.sh")
Run = Callable[[list[str]], object]


def compare(where: str, run: Run, ssh_config: Path, image: str, runs: int) -> Comparison:
    """Both ways on one lab; `run` runs a command where the machines can be reached."""
    with tempfile.TemporaryDirectory() as captures:
        return by_turns(
            f"the overlay exercise, {where}",
            ("inv scenario overlay", lambda: run([INV, "scenario", "overlay"])),
            ("overlay.sh over ssh", lambda: run([SCRIPT, str(ssh_config), image, captures])),
            runs,
        )


def run(runs: int) -> Iterator[str]:
    with light_lab(2) as light:

        def there(argv: list[str], good: tuple[int, ...] = (0, 1)) -> None:
            # 1: the shell script fails where no virtual address answers, without IPVS.
            done = subprocess.run(
                light.fabric.command(argv),
                check=False,
                capture_output=True,
                text=True,
                cwd=CLONE,
                env={**os.environ, "SWARMRIG_LAB": str(light.lab.file)},
            )
            if done.returncode not in good:
                raise RuntimeError(f"{argv[0]}: {done.stderr[-500:]}")

        there([INV, "up"], good=(0,))
        yield compare("light hosts", there, light.ssh_config(), light.image, runs).told()
