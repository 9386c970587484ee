"""What holds for the whole repository, and small promises that no other file has a place for."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from provision.cli.errors import report_errors
from provision.engine import images
from provision.support import parallel
from provision.support.errors import CheckFailed, MachineError, UserError
from provision.support.files import write_atomic

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


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (CheckFailed("no"), 1),
        (UserError("no"), 2),
        (MachineError("no"), 3),
        (OSError(28, "No space left on device", "f"), 3),
        (ZeroDivisionError("no"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_end_has_its_exit_code(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARMRIG_DEBUG", raising=False)

    def verb() -> None:
        raise raised

    wrapped: Callable[[], None] = report_errors(verb)
    with pytest.raises(Exit) as caught:
        wrapped()
    assert caught.value.code == code


def test_a_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    file = write_atomic(tmp_path / "a" / "secret", "s", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@dataclass(frozen=True)
class Named:
    name: str


def test_ctrl_c_ends_the_wait_and_is_told_as_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel.run_on_all("work", [Named("a")], lambda machine: machine.name)


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("alpine", "alpine", ""),
        ("alpine:3.20", "alpine", "3.20"),
        ("host:5000/team/alpine", "host:5000/team/alpine", ""),
        ("host:5000/team/alpine:3.20", "host:5000/team/alpine", "3.20"),
    ],
)
def test_a_registrys_port_is_no_tag(reference: str, name: str, tag: str) -> None:
    split = images._split_tag(reference)
    assert (split[0], split[-1]) == (name, tag)
