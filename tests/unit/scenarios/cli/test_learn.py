"""The verbs check, hint, solve and catch-up, before the lab is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from provision.lab.model import Lab
from provision.support.errors import MachineError
from scenarios.cli import learn
from scenarios.learn.look import CannotRun

LAB = """
name = "t"
provider = "libvirt"
[[machines]]
name = "machine1"
role = "manager"
[[machines]]
name = "machine2"
"""


@pytest.fixture
def lab(tmp_path: Path) -> str:
    file = tmp_path / "lab.toml"
    file.write_text(LAB)
    return str(file)


@contextlib.contextmanager
def opened(_lab: Lab, _verb: str) -> Iterator[Any]:
    yield None


@pytest.mark.parametrize(
    ("error", "undone"),
    [(CannotRun("ipvlan", ["no ipvlan"]), 0), (MachineError("machine1: no SSH"), 1)],
)
def test_what_was_typed_is_not_undone_for_an_exercise_that_cannot_be_done_here(
    error: MachineError, undone: int, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> NoReturn:
        raise error

    restored: list[Lab] = []

    def restore(one: Lab) -> str:
        restored.append(one)
        return ""

    monkeypatch.setattr(learn, "exercise_on", refused)
    with pytest.raises(MachineError, match=str(error)):
        learn.catch_up(opened, restore, lab, "ipvlan", "4")
    assert len(restored) == undone
