"""The programs that build a system, when they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.providers.boxes import tools
from provision.support.errors import MachineError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))


def test_the_cause_is_told_that_apt_names_and_not_what_it_led_to(tmp_path: Path) -> None:
    said = "I: running\nE: Failed to fetch http://x/InRelease\nI: removing\nE: mmdebstrap failed\n"
    (tmp_path / "said").write_text(said)
    command = ["sh", "-c", f"cat '{tmp_path}/said'; exit 25"]
    with pytest.raises(MachineError) as caught:
        tools.run(command, tmp_path / "a.log", "The box")
    assert str(caught.value) == (
        "The box could not be built: sh ended with 25: Failed to fetch http://x/InRelease"
    )
    assert (tmp_path / "cache" / "failed-a.log").read_text() == said


def test_of_other_programs_the_last_lines_are_told(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo one; echo two; echo three; exit 1"]
    with pytest.raises(MachineError, match=r"ended with 1: two / three$"):
        tools.run(command, tmp_path / "a.log", "The box")
