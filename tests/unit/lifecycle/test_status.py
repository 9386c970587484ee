"""What status tells where there is little to ask, and what it costs to ask in vain."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.lab import load
from provision.lab.lockfile import Entry, Image
from provision.lab.model import Lab
from provision.lifecycle import status
from provision.providers import select
from provision.providers.base import MachineState
from provision.ssh.endpoint import Endpoint
from provision.support.errors import MachineError
from tests.unit.lifecycle.test_checkpoints import Playing


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text("")
    made = load.load(tmp_path / "lab.toml")
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

    monkeypatch.setattr(select, "of_state", lambda _: CutOff())
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
    monkeypatch.setattr(status, "FIRST", 0.3)
    machines = {name: Silent(name) for name in ("machine1", "machine2")}
    watch = status._Watch(dict(machines))  # type: ignore[arg-type]
    begin = time.monotonic()
    for _ in range(3):
        said = watch.add(status._said(lab, Playing()))
        assert all("no answer" in machine["node"] for machine in said["machines"])
    # Each is asked as itself, the first manager for its view as well: nothing is asked twice.
    assert time.monotonic() - begin < 5
    assert sum(thread.is_alive() for thread in watch._asking.values()) == 3
    watch.leave()
    assert all(machine.let_go.is_set() for machine in machines.values())
    assert watch.machines == {}


class Manager:
    """A manager that sees these nodes, and counts who is asked for what."""

    def __init__(self, nodes: list[dict[str, Any]], info: dict[str, Any] | None = None) -> None:
        self.docker = self
        self.asked: list[str] = []
        self._nodes = nodes
        self._info = info

    def connect(self, patience: float) -> None:
        pass

    def info(self) -> dict[str, Any]:
        self.asked.append("info")
        if self._info is None:
            raise MachineError("no SSH at all")
        return self._info

    @property
    def nodes(self) -> Listing:
        self.asked.append("nodes")
        return Listing([SimpleNamespace(attrs=attrs) for attrs in self._nodes])

    @property
    def networks(self) -> Listing:
        attrs = {"Driver": "overlay", "Scope": "swarm"}
        return Listing([SimpleNamespace(name="ingress", attrs=attrs)])

    @property
    def services(self) -> Listing:
        return Listing([SimpleNamespace(name="web")])


class Listing:
    def __init__(self, items: list[SimpleNamespace]) -> None:
        self._items = items

    def list(self, **_: Any) -> list[SimpleNamespace]:
        return self._items


def node(number: int, state: str = "ready") -> dict[str, Any]:
    leader = {"ManagerStatus": {"Leader": True, "Addr": "192.168.56.11:2377"}}
    return {
        "ID": f"n{number}",
        # What a manager's own entry has in Status differs by version.
        "Status": {"State": state, "Addr": "127.0.0.1" if number == 1 else f"192.168.56.1{number}"},
        "Description": {"Engine": {"EngineVersion": "20.10.24"}},
        **(leader if number == 1 else {}),
    }


def told(lab: Lab, provider: Any, **machines: Any) -> list[tuple[str, str, str]]:
    said = status._Watch(machines).add(status._said(lab, provider))
    return [(m["state"], m["engine"], m["node"]) for m in said["machines"]]


def test_a_machine_that_runs_and_whose_node_is_ready_is_not_logged_in_to(lab: Lab) -> None:
    manager, worker = Manager([node(1), node(2)]), Manager([])
    assert told(lab, Playing(), machine1=manager, machine2=worker) == [
        ("running", "20.10.24", "ready (leader)"),
        ("running", "20.10.24", "ready"),
    ]
    assert (manager.asked, worker.asked) == (["nodes"], [])


@pytest.mark.parametrize("seen", [[node(1), node(2, "down")], [node(1)]], ids=["down", "no node"])
def test_a_machine_for_which_no_manager_vouches_is_asked_itself(
    lab: Lab, seen: list[dict[str, Any]]
) -> None:
    assert told(lab, Playing(), machine1=Manager(seen), machine2=Manager([])) == [
        ("running", "20.10.24", "ready (leader)"),
        ("running", "", "no SSH at all"),
    ]
    own = {"ServerVersion": "20.10.24", "Swarm": {"NodeID": "n2", "LocalNodeState": "pending"}}
    last = told(lab, Playing(), machine1=Manager(seen), machine2=Manager([], own))[1]
    assert last == ("running", "20.10.24", "down" if len(seen) == 2 else "pending")


def test_of_a_host_that_exists_already_only_a_login_tells_whether_it_is_there(lab: Lab) -> None:
    class Hosts(Playing):
        def states(self) -> dict[str, MachineState]:
            return dict.fromkeys(self.ids, "unknown")

    own = {
        "ServerVersion": "20.10.24",
        "Swarm": {"NodeID": "n1", "LocalNodeState": "active", "ControlAvailable": True},
    }
    manager = Manager([node(1), node(2)], own)
    assert told(lab, Hosts(), machine1=manager, machine2=Manager([])) == [
        ("running", "20.10.24", "ready (leader)"),
        ("unknown", "", "no SSH at all"),
    ]


def test_a_machine_whose_provider_does_not_know_it_is_asked_though_its_node_is_ready(
    lab: Lab,
) -> None:
    class Unsure(Playing):
        def states(self) -> dict[str, MachineState]:
            return {"machine1": "running", "machine2": "unknown"}

    manager = Manager([node(1), node(2)])
    assert told(lab, Unsure(), machine1=manager, machine2=Manager([])) == [
        ("running", "20.10.24", "ready (leader)"),
        ("unknown", "", "no SSH at all"),
    ]


def test_an_engine_that_was_replaced_since_it_was_locked_is_told(lab: Lab) -> None:
    said = status._said(lab, Playing())
    for row, version in zip(said["machines"], ("26.1.5", ""), strict=True):
        row["engine"] = version
    engines = {"machine1": "20.10.24", "machine2": "20.10.24"}
    locked = Entry({}, None, engines, Image("busybox", "sha256:0", ""))
    expected = ["Docker on machine1: locked 20.10.24, here 26.1.5"]
    assert status._compared(said, locked)["differs"] == expected
    assert status._compared(said, None)["differs"] == []
