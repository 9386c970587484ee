"""Debian roots that tests run from: unpacked once, and cached outside the clone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from provision.support import cache


@dataclass(frozen=True)
class Archive:
    """The Debian suite that a root is made of; `picked` packages come from the suite `newer`."""

    suite: str
    newer: str = ""
    picked: tuple[str, ...] = ()

    def options(self) -> list[str]:
        """What mmdebstrap has to know beside the suite. Source: apt_preferences(5)."""
        if not self.newer:
            return []
        pins = [("*", 100), (" ".join(self.picked), 990)]
        text = "\\n".join(
            f"Package: {what}\\nPin: release n={self.newer}\\nPin-Priority: {priority}\\n"
            for what, priority in pins
        )
        source = f"deb http://deb.debian.org/debian {self.newer} main"
        return [
            f"--setup-hook=echo '{source}' > \"$1\"/etc/apt/sources.list.d/newer.list",
            f"--setup-hook=printf '{text}' > \"$1\"/etc/apt/preferences.d/newer",
        ]


BOOKWORM = Archive("bookworm")


def root(
    name: str,
    packages: Iterable[str],
    variant: str,
    hooks: Iterable[str] = (),
    left_out: Iterable[str] = (),
    archive: Archive = BOOKWORM,
) -> Path:
    """A root of these packages, `name` and what it is made of in its path; half a minute at first.

    `hooks` are shell texts that finish it ("$1" is its path), `left_out` patterns of files.
    Raises RuntimeError with mmdebstrap's own words. Source: mmdebstrap(1).
    """
    options = [
        f"--variant={variant}",
        *archive.options(),
        f"--include={','.join(packages)}",
        *(f"--customize-hook={hook}" for hook in hooks),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in left_out),
    ]
    key = hashlib.sha256(json.dumps([archive.suite, *options]).encode()).hexdigest()[:12]
    target = cache.folder() / f"{name}-{key}"
    with FileLock(f"{target}.lock"):
        if target.is_dir():
            return target
        made = Path(tempfile.mkdtemp(dir=cache.folder(), prefix=f"building-{name}-"))
        made.chmod(0o755)
        done = subprocess.run(
            [
                "mmdebstrap",
                '--aptopt=Acquire::Check-Valid-Until "false"',
                '--aptopt=APT::Install-Recommends "false"',
                *options,
                archive.suite,
                str(made / "root"),
            ],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            shutil.rmtree(made)
            raise RuntimeError(f"mmdebstrap failed: {done.stderr[-800:]}")
        (made / "root").rename(target)
        made.rmdir()
        return target
