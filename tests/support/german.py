"""A German desktop: what its users' programs find in their environment, with German messages.

Without the translations it would be English that looks German, and prove nothing: so it
is checked that a program which labs use does speak German there.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from provision.support import cache
from tests.support.tier import cannot_run

_NAME = "de_DE.UTF-8"


@functools.cache
def desktop() -> dict[str, str]:
    """The variables. The locale is compiled into the cache, as few systems have it.

    Where that cannot be had the calling test is skipped; with CI=true it fails.
    Source: localedef(1), the section on LOCPATH of locale(7).
    """
    places = cache.folder() / "locales"
    with FileLock(f"{places}.lock"):
        if not (places / _NAME).exists():
            _compile(places)
    variables = {"LANG": _NAME, "LC_ALL": _NAME, "LANGUAGE": "de", "LOCPATH": str(places)}
    said = _run(["virsh", "-c", "test:///default", "list"], **variables)
    if "laufend" not in said:
        cannot_run(f"virsh speaks no German here (packages locales, libvirt-l10n): {said.strip()}")
    return variables


def _compile(places: Path) -> None:
    places.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places) as made:
        said = _run(["localedef", "-i", "de_DE", "-f", "UTF-8", f"{made}/{_NAME}"])
        if not Path(made, _NAME).is_dir():
            cannot_run(f"localedef makes no German locale (package locales): {said.strip()}")
        Path(made, _NAME).rename(places / _NAME)


def _run(argv: list[str], **more: str) -> str:
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **more},
        )
    except FileNotFoundError as error:
        return str(error)
    return done.stdout
