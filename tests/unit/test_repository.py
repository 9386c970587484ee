"""What holds for the whole repository: its scripts, lock files and documents."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("script", [".ci/install", ".ci/run", "tests/bench/by_hand/overlay.sh"])
def test_a_script_is_valid_and_may_be_run(script: str) -> None:
    subprocess.run(["bash", "-n", str(CLONE / script)], check=True)
    assert (CLONE / script).stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_a_hash_for_everything_and_names_no_registry(lock: str) -> None:
    text = (CLONE / lock).read_text()
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links|\bfile:", text)
    pinned = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in package for package in pinned)


def test_every_run_time_dependency_is_locked_and_justified() -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    reasons = (CLONE / "docs" / "dependencies.md").read_text()
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=\[ ]", requirement)[0]
        assert f"| {name} |" in reasons
        for lock in LOCKS:
            assert re.search(rf"^{name}==", (CLONE / lock).read_text(), re.MULTILINE), name
