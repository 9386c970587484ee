"""Leaving an adopted swarm: its entry goes by a manager of it that answers, else it is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import facts
from provision.support.errors import MachineError
from provision.swarm import leave, left_behind
from tests.support.progress import quiet


class Host:
    """A host whose engine is in the adopted swarm."""

    def __init__(self, name: str, *, manager: bool = False, error: str = "") -> None:
        self.name, self.error = name, error
        self.said = {
            "LocalNodeState": "active",
            "NodeID": f"id-{name}",
            "ControlAvailable": manager,
        }
        self.removed: list[str] = []
        self.docker = SimpleNamespace(
            info=self.info,
            api=SimpleNamespace(leave_swarm=self.leave, remove_node=self.remove),
            nodes=SimpleNamespace(get=self.node),
            networks=SimpleNamespace(list=lambda **_: []),
        )

    def info(self) -> dict[str, Any]:
        if self.error:
            raise MachineError(self.error)
        return {"Swarm": self.said}

    def leave(self, force: bool) -> None:
        self.said = {"LocalNodeState": "inactive"}

    def remove(self, node: str, force: bool) -> None:
        self.removed.append(node)

    def node(self, node: str) -> Any:
        return SimpleNamespace(attrs={"Spec": {"Role": "worker"}})


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Two hosts were in their swarm before; "new" has joined it."""
    monkeypatch.setattr(facts, "facts", lambda _: SimpleNamespace(daemon=True))
    made = Journal(tmp_path / "journal.json")
    for name, kind in (("one", "swarm-adopt"), ("two", "swarm-adopt"), ("new", "swarm-join")):
        change = Change(name, kind, "x", (f"id-{name}",))  # type: ignore[arg-type]
        with made.writing(change) as entry:
            entry.after = {"node": f"id-{name}"}
    return made


def undone(journal: Journal, *others: Host) -> tuple[list[str], list[str]]:
    hosts: dict[str, Any] = {host.name: host for host in (*others, Host("new"))}
    outcome = Outcome()
    leave.undo(hosts["new"], hosts, journal, outcome, quiet())
    assert journal.of("new") == []
    return outcome.removed, outcome.left


def test_the_entry_goes_by_whichever_adopted_host_is_a_manager(journal: Journal) -> None:
    manager = Host("two", manager=True)
    removed, left = undone(journal, Host("one"), manager)
    assert (removed, left) == (["new from the swarm"], [])
    assert manager.removed == ["id-new"]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Host("one"), "no manager of it is in the lab"),
        (Host("one", error="one: no answer"), "one: no answer"),
    ],
)
def test_a_node_that_leaves_undrained_is_named(journal: Journal, other: Host, why: str) -> None:
    removed, left = undone(journal, other)
    assert removed == ["new from the swarm"]
    assert len(left) == 1
    assert left[0].startswith("the entry of new in the swarm that it has left, undrained")
    assert why in left[0]


def test_what_a_scenario_left_is_not_forgotten_where_no_manager_can_remove_it(
    journal: Journal,
) -> None:
    journal.begin(Change("one", "scenario", "run scenario s", ("service web",)))
    host: Any = Host("one")
    with pytest.raises(MachineError, match="what run scenario s has left cannot be removed"):
        left_behind.undo(host, [host], journal, Outcome())
    assert [entry.kind for entry in journal.of("one")] == ["swarm-adopt", "scenario"]
