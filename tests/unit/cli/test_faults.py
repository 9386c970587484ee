"""The verbs that make faults: what they refuse before any machine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.cli.faults import _kept_secret
from provision.faults.making import Active
from tests.unit.cli.test_cli import inv


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["partition", "machine2", "--for", "0"], "--for: given 0; allowed: 1 to 3600 seconds\n"),
        (["partition", "machine2", "--for", "soon"], "--for: given 'soon'; allowed: a number\n"),
        (["partition", "machine2", "--from", "machine2"], "given machine2 at both ends"),
        (["loss", "machine2", "--percent", "101"], "given percent 101; allowed: 0.1 to 100\n"),
        (["delay", "machine2", "--ms", "0"], "fault delay: given ms 0; allowed: 1 to 10000\n"),
        (["clock", "machine2", "--seconds=0"], "fault clock: given seconds 0; allowed: 1 to "),
        (["partition", "machine2"], "Lab 'book' is not up.\n  Bring it up: inv up\n"),
        (["ls"], "Lab 'book' is not up.\n  Bring it up: inv up\n"),
        (["heal"], "Lab 'book' is not up.\n  Bring it up: inv up\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_with_2(given: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    done = inv(f"fault.{given[0]}", *given[1:], SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_puzzles_faults_are_one_line_that_does_not_say_where_they_are() -> None:
    found = [
        Active("1", "machine2", "delay", "late", 5),
        Active("2", "machine1", "puzzle", "a puzzle is on", 40),
        Active("3", "machine2", "puzzle", "a puzzle is on", 41),
    ]
    shown = _kept_secret(found)
    assert [(one.machine, one.kind, one.left) for one in shown] == [
        ("machine2", "delay", 5),
        ("", "puzzle", 41),
    ]
    assert _kept_secret(found[:1]) == found[:1]
