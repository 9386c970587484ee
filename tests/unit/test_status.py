"""What status tells where there is little to ask, and what it costs to ask in vain."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from provision import definition, status
from provision.definition import Lab
from provision.errors import MachineError
from provision.providers import choosing
from provision.providers.base import Endpoint
from tests.unit.test_checkpoints import Playing


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text("")
    made = definition.load(tmp_path / "lab.toml")
    made.state.mkdir(parents=True)
    (made.state / "ready.json").write_text("{}")
    return made


def states(said: dict[str, Any]) -> list[str]:
    return [machine["state"] for machine in said["machines"]]


def test_an_up_that_was_cut_off_tells_what_the_provider_knows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutOff(Playing):
        def endpoints(self) -> dict[str, Endpoint]:
            raise MachineError("not up")

    monkeypatch.setattr(choosing, "of_state", lambda _: CutOff())
    assert states(status.look(lab)) == ["running", "running"]


class Silent:
    """A machine that takes the question and never answers, until it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.let_go = threading.Event()

    def connect(self, patience: float) -> None:
        self.let_go.wait(60)

    def abandon(self) -> None:
        self.let_go.set()


def test_machines_that_never_answer_are_waited_for_once_for_all(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.3)
    machines = {name: Silent(name) for name in ("machine1", "machine2")}
    watch = status._Watch(dict(machines))  # type: ignore[arg-type]
    begin = time.monotonic()
    for _ in range(3):
        said = watch.add(status._said(lab, Playing()))
        assert all("no answer" in machine["node"] for machine in said["machines"])
    # One thread each is still waiting, and none was added.
    assert time.monotonic() - begin < 5
    assert sum(thread.is_alive() for thread in watch._asking.values()) == 2
    watch.leave()
    assert all(machine.let_go.is_set() for machine in machines.values())
    assert watch.machines == {}
