"""The programs that build a system from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from provision.support import architecture, cache
from provision.support.errors import MachineError
from provision.support.tools import c_locale


def mmdebstrap(
    suite: str, packages: Iterable[str], target: str, options: Iterable[str]
) -> list[str]:
    """The command that makes a small system of these packages, as a tar or in a folder.

    Source: mmdebstrap(1).
    """
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--architectures={architecture.debian_architecture()}",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=APT::Install-Recommends "false"',
        f"--include={','.join(packages)}",
        *options,
        suite,
        target,
    ]


def run(argv: Sequence[str], log: Path, what: str) -> None:
    """Run a program with its output in `log`. Raises MachineError: `what` could not be built.

    The error has the program's own words, and the log is kept in the cache.
    """
    environment = c_locale({**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
    with log.open("wb") as out:
        done = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
        )
    if done.returncode == 0:
        return
    kept = cache.folder() / f"failed-{log.name}"
    shutil.copy(log, kept)
    raise MachineError(
        f"{what} could not be built: {argv[0]} ended with {done.returncode}: "
        f"{_words(log.read_text(encoding='utf-8', errors='replace'))}",
        f"Its whole output: {kept}",
    )


def _words(output: str) -> str:
    """apt and mmdebstrap name the cause first, and end with what it has led to."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return errors[0] if errors else " / ".join(lines[-2:])
