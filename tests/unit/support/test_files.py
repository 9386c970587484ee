"""Files are written whole or not at all, with the mode that was asked for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from provision.support.files import sweep, write_atomic

CLONE = Path(__file__).parents[3]


def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_atomic(tmp_path / "f", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_write_has_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from provision.support import files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        f"files.write_atomic(Path({str(tmp_path / 'a' / 'f')!r}), 'half')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=CLONE, check=False)
    write_atomic(tmp_path / "a" / "g", "whole")
    assert len(list((tmp_path / "a").iterdir())) == 2
    sweep(tmp_path, "*/f")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["g"]


def test_a_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    file = write_atomic(tmp_path / "a" / "secret", "s", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
