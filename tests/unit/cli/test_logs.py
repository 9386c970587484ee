"""`inv logs` collects from the machines that exist, whatever lab.toml says by now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.cli import logs as verb
from provision.diagnostics import logs
from provision.lab.model import Lab

THREE = "".join(f'[[machines]]\nname = "{name}"\n' for name in "abc")
HOSTS = (
    'provider = "hosts"\n[[machines]]\nname = "a"\naddress = "192.0.2.1"\n'
    '[[machines]]\nname = "b"\naddress = "192.0.2.2"\n'
)


@pytest.fixture
def collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Lab]:
    """The labs that logs are collected of; three machines were brought up."""
    found: list[Lab] = []

    def collect(lab: Lab, *_: Any) -> Path:
        found.append(lab)
        return tmp_path / "logs.tar.gz"

    monkeypatch.setattr(logs, "collect", collect)
    state = tmp_path / ".swarmrig" / "book"
    for name in "abc":
        file = state / "vagrant" / "machines" / name / "virtualbox" / "id"
        file.parent.mkdir(parents=True)
        file.write_text(name)
    (state / "lab.toml").write_text(f'name = "book"\n{THREE}')
    return found


@pytest.mark.parametrize(
    "text", [f"{THREE.rsplit('[[', 1)[0]}", HOSTS], ids=["a machine removed", "another provider"]
)
def test_logs_are_of_the_machines_that_exist(
    collected: list[Lab], tmp_path: Path, text: str
) -> None:
    (tmp_path / "lab.toml").write_text(f'name = "book"\n{text}')
    verb.collect(str(tmp_path / "lab.toml"), "")
    assert [machine.name for machine in collected[0].machines] == ["a", "b", "c"]
    assert collected[0].provider != "hosts"


def test_logs_are_collected_though_nothing_says_how_to_reach_the_machines(
    collected: list[Lab], tmp_path: Path
) -> None:
    state = tmp_path / ".swarmrig" / "other"
    state.mkdir()
    (state / "journal.json").write_text('{"hosts": {"a": []}}')
    (tmp_path / "lab.toml").write_text(f'name = "other"\n{THREE}')
    verb.collect(str(tmp_path / "lab.toml"), "")
    assert collected[0].name == "other"
