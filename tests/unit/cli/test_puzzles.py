"""The verbs of puzzles: what they list, and what they refuse before any machine is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_cli import inv


@pytest.fixture
def lab(tmp_path: Path) -> str:
    (tmp_path / "lab.toml").write_text("")
    return str(tmp_path / "lab.toml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["puzzle"], "Lab 'book' is not up.\n  Bring it up: inv up\n"),
        (["puzzle", "--for", "20000"], "--for: given 20000; allowed: 300 to 14400 seconds\n"),
        (["puzzle", "--for", "long"], "--for: given 'long'; allowed: a number\n"),
        (["puzzle.check"], "No puzzle is on.\n  Begin one: inv puzzle\n"),
        (["puzzle.hint"], "No puzzle is on.\n  Begin one: inv puzzle\n"),
        (["puzzle.hint", "--stage", "4"], "There is no hint 4.\n  --stage is 1 to 3.\n"),
        (["puzzle.answer", "machine1", "mtu"], "No puzzle is on.\n  Begin one: inv puzzle\n"),
        (["puzzle.answer", "machine1", "wire"], "There is no layer 'wire'."),
        (["puzzle.answer", "machine7", "mtu"], "no machine 'machine7'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_with_2(given: list[str], said: str, lab: str) -> None:
    done = inv(*given, SWARMRIG_LAB=lab)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_the_puzzles_are_listed_without_a_lab_and_without_what_they_are(lab: str) -> None:
    done = inv("puzzle", "--list", "--json", SWARMRIG_LAB=lab)
    listed = json.loads(done.stdout)
    assert [one["number"] for one in listed] == list(range(1, len(listed) + 1))
    assert {one["difficulty"] for one in listed} == {"easy", "medium", "hard"}
    assert len(inv("puzzle", "--list", SWARMRIG_LAB=lab).stdout.splitlines()) == len(listed) + 2


def test_an_answer_without_its_words_lists_machines_and_layers(lab: str) -> None:
    done = inv("puzzle.answer", SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert "needs MACHINE and LAYER" in done.stderr
    for word in ("machine2", "swarm", "overlay", "scheduling"):
        assert f"\n  {word} " in done.stderr


def test_where_no_puzzle_is_on_there_is_nothing_to_stop(lab: str) -> None:
    done = inv("puzzle.stop", SWARMRIG_LAB=lab)
    assert (done.returncode, done.stdout) == (0, "No puzzle is on.\n")


def test_a_mistyped_verb_is_answered_with_the_nearest(lab: str) -> None:
    assert "puzzle" in inv("puzle", SWARMRIG_LAB=lab).stderr
