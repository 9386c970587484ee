"""One command at a time on a lab."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from provision.lab.lock import holding, is_held
from provision.support.errors import UserError

CLONE = Path(__file__).parents[3]


def test_a_lab_that_is_held_says_by_whom(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from provision.lab.lock import holding\n"
        f"with holding(Path({str(tmp_path / 'book')!r}), 'up'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=CLONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(UserError, match=rf"held by `inv up` \(process {other.pid}"),
        holding(tmp_path / "book", "destroy"),
    ):
        pass
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    with holding(tmp_path / "book", "destroy"):
        pass


def test_a_verb_made_of_verbs_holds_the_lab_from_its_first_to_its_last(tmp_path: Path) -> None:
    state = tmp_path / "book"
    code = (
        "import sys; from pathlib import Path; from provision.lab.lock import holding\n"
        f"with holding(Path({str(state)!r}), 'other'): pass"
    )

    def other() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=False
        )

    with holding(state, "rebuild"):
        assert is_held(state)
        with holding(state, "destroy"):
            pass
        assert "held by `inv rebuild`" in other().stderr
        (state / "kept").touch()
    assert not is_held(state)
    assert other().returncode == 0
    assert (state / "kept").exists()
