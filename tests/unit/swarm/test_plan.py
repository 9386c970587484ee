"""What is somebody else's, or only waits for somebody, is named and left as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import docker.errors
import pytest
import requests

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab import load
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.swarm import members, plan
from provision.swarm.members import Facts, Member


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    file = tmp_path / "lab.toml"
    file.write_text("[machines]\ncount = 2\n")
    return load.load(file)


def node(lab: Lab, name: str, role: str) -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Spec": {"Role": role},
        "Description": {"Hostname": name},
        "Status": {"Addr": lab.machine(name).address, "State": "ready"},
    }


def healthy(lab: Lab) -> Facts:
    found = {
        m.name: Member("active", f"id-{m.name}", m.role == "manager", "", "c") for m in lab.machines
    }
    return Facts(found, tuple(node(lab, m.name, m.role) for m in lab.machines), "machine1")


@pytest.fixture
def adopted(lab: Lab, tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal.json")
    for machine in lab.machines:
        id_ = f"id-{machine.name}"
        with journal.writing(Change(machine.name, "swarm-adopt", "x", (id_,))) as entry:
            entry.after = {"node": id_}
    return journal


def state(seen: Facts, name: str, **values: Any) -> Facts:
    """The facts with one machine's own state another."""
    return replace(seen, members={**seen.members, name: replace(seen.members[name], **values)})


# -- somebody else's swarm --------------------------------------------------------------------


def test_an_adopted_swarm_that_is_well_needs_nothing(lab: Lab, adopted: Journal) -> None:
    assert plan.plan(lab, healthy(lab), adopted, adopt=True) == []


@pytest.mark.parametrize("lost", ["", "machine1"])
@pytest.mark.parametrize("adopt", [True, False])
def test_an_adopted_swarm_without_a_leader_is_neither_started_nor_recovered(
    lab: Lab, adopted: Journal, lost: str, adopt: bool
) -> None:
    seen = replace(healthy(lab), nodes=(), leader="", lost=lost)
    with pytest.raises(MachineError, match="not the lab's to start or recover") as caught:
        plan.plan(lab, seen, adopted, adopt)
    assert "inv ssh machine1" in caught.value.advice


def test_hosts_that_have_left_an_adopted_swarm_are_not_given_another(
    lab: Lab, adopted: Journal
) -> None:
    out = {name: Member("inactive", "", False, "", "") for name in ("machine1", "machine2")}
    with pytest.raises(MachineError, match="has adopted"):
        plan.plan(lab, Facts(out), adopted)
    seen = replace(healthy(lab), members={**healthy(lab).members, "machine2": out["machine2"]})
    with pytest.raises(MachineError, match="machine2: is no longer in the swarm"):
        plan.plan(lab, seen, adopted)


def test_a_host_that_an_adopted_swarm_no_longer_lists_is_not_made_to_leave(
    lab: Lab, adopted: Journal
) -> None:
    seen = replace(healthy(lab), nodes=healthy(lab).nodes[:1])
    with pytest.raises(MachineError, match=r"machine2: the swarm .* does not list it"):
        plan.plan(lab, seen, adopted)


def test_an_owner_may_change_roles_in_an_adopted_swarm(lab: Lab, adopted: Journal) -> None:
    nodes = (node(lab, "machine1", "manager"), node(lab, "machine2", "manager"))
    with pytest.raises(MachineError, match="machine2: a manager in the swarm it is in"):
        plan.plan(lab, replace(healthy(lab), nodes=nodes), adopted)


def test_a_demoted_manager_that_is_down_stays_in_an_adopted_swarm(
    lab: Lab, adopted: Journal
) -> None:
    seen = state(healthy(lab), "machine2", manager=True, state="pending")
    assert plan.plan(lab, seen, adopted) == []


# -- the lab's own swarm, which waits for somebody --------------------------------------------


@pytest.mark.parametrize(
    ("values", "says", "advice"),
    [
        ({"state": "locked", "manager": False}, "is locked", "docker swarm unlock"),
        ({"state": "error", "error": "certificate has expired"}, "has expired", "docker info"),
        ({"state": "pending", "manager": True}, "still starting", "inv ssh machine1"),
    ],
)
def test_a_swarm_that_waits_is_named_and_left(
    lab: Lab, values: dict[str, Any], says: str, advice: str
) -> None:
    seen = replace(state(healthy(lab), "machine1", **values), nodes=(), leader="")
    with pytest.raises(MachineError, match=says) as caught:
        plan.plan(lab, seen, Journal())
    assert advice in caught.value.advice
    assert "machine1" in str(caught.value)


def test_a_manager_that_does_not_answer_in_time_is_not_taken_for_lost(lab: Lab) -> None:
    seen = replace(healthy(lab), nodes=(), leader="", silent="machine1")
    with pytest.raises(MachineError, match="did not say in time"):
        plan.plan(lab, seen, Journal())


class Engine:
    """The engine of one manager, whose list of nodes fails so often."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error, self.failures = error, failures
        self.docker = self.nodes = self
        self.name = "machine1"

    def info(self) -> dict[str, Any]:
        said = {"LocalNodeState": "active", "NodeID": "id-machine1", "ControlAvailable": True}
        return {"Swarm": said}

    def list(self) -> list[Any]:
        self.failures -= 1
        if self.failures >= 0:
            raise self.error
        return []


def look(error: Exception, failures: int) -> Facts:
    return members.look({"machine1": cast(Machine, Engine(error, failures))})


def test_a_look_that_timed_out_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_PAUSE", 0)
    late = requests.ReadTimeout("Read timed out.")
    assert look(late, 1).leader == "machine1"
    assert look(docker.errors.APIError("no leader"), 2).leader == "machine1"
    assert look(late, 9).silent == "machine1"
    assert look(docker.errors.APIError("no leader"), 9).lost == "machine1"
