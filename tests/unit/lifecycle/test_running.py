"""The ways to a lab's machines, for verbs that hold the lab and for those that look meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.lab.load import load
from provision.lab.model import Lab
from provision.lifecycle import applied, running
from provision.ssh.client_config import client_of
from provision.ssh.endpoint import Endpoint, for_looking


def end(tmp_path: Path, **more: Any) -> Endpoint:
    return Endpoint("127.0.0.1", 2222, "vagrant", (), tmp_path / "known", trust_first=True, **more)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that is up: machine1 is its own."""
    file = tmp_path / "lab.toml"
    file.write_text('machines = [{ name = "machine1" }, { name = "machine2" }]')
    made = load(file)
    ends = {machine.name: end(tmp_path) for machine in made.machines}
    provider = SimpleNamespace(endpoints=lambda: ends)
    monkeypatch.setattr(running, "provider_of", lambda _: provider)
    monkeypatch.setattr(running, "ready", lambda _: None)
    monkeypatch.setattr(applied, "current", lambda lab: lab)
    made.state.mkdir(parents=True)
    return made


def test_who_only_looks_writes_down_no_host_key(lab: Lab) -> None:
    """Machines that are created again may get each other's port: the key would be another one's."""
    with running.viewed(lab, "check") as looked, running.opened(lab, "scenario") as held:
        assert not looked.machines["machine1"].endpoint.trust_first
        assert held.machines["machine1"].endpoint.trust_first


def test_neither_does_the_users_own_ssh(tmp_path: Path) -> None:
    ends = for_looking({"machine1": end(tmp_path)})
    assert "StrictHostKeyChecking=yes" in client_of(ends["machine1"])
    assert "StrictHostKeyChecking=accept-new" in client_of(end(tmp_path))


def test_on_hosts_that_exist_the_users_settings_decide(tmp_path: Path) -> None:
    own = end(tmp_path, client=("--", "nas"))
    assert for_looking({"nas": own}) == {"nas": own}
