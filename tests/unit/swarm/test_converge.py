"""What a swarm needs is decided by plain functions from facts, without a machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab import load
from provision.lab.model import Lab
from provision.support.errors import MachineError
from provision.swarm import members, plan
from provision.swarm.members import Facts, Member

NOTHING = Member("inactive", "", manager=False, error="", cluster="")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    file = tmp_path / "lab.toml"
    file.write_text("[machines]\ncount = 3\n")
    return load.load(file)


def inside(node: str, manager: bool = False) -> Member:
    return Member("active", node, manager, "", "c")


def node(lab: Lab, name: str, role: str = "worker", id_: str = "") -> dict[str, Any]:
    return {
        "ID": id_ or f"id-{name}",
        "Spec": {"Role": role},
        "Description": {"Hostname": name},
        "Status": {"Addr": lab.machine(name).address},
    }


def healthy(lab: Lab) -> Facts:
    members = {m.name: inside(f"id-{m.name}", m.role == "manager") for m in lab.machines}
    return Facts(members, tuple(node(lab, m.name, m.role) for m in lab.machines), "machine1")


def kinds(found: list[Change]) -> list[tuple[str, str]]:
    return [(change.machine, change.kind) for change in found]


# -- the swarm ------------------------------------------------------------------------------------


def test_a_healthy_swarm_needs_nothing(lab: Lab) -> None:
    assert plan.plan(lab, healthy(lab), Journal()) == []


def test_machines_in_no_swarm_get_one(lab: Lab) -> None:
    seen = Facts({machine.name: NOTHING for machine in lab.machines})
    wanted = [("machine1", "swarm-init"), ("machine2", "swarm-join"), ("machine3", "swarm-join")]
    assert kinds(plan.plan(lab, seen, Journal())) == wanted
    # Engines that are yet to be installed are in none either.
    assert kinds(plan.plan(lab, Facts({}), Journal())) == wanted


def test_a_recreated_machine_joins_and_its_old_entry_goes(lab: Lab) -> None:
    seen = healthy(lab)
    seen.members["machine3"] = NOTHING
    found = plan.plan(lab, seen, Journal())
    assert kinds(found) == [("machine3", "swarm-join"), ("machine1", "swarm-entry")]
    assert found[1].items == ("id-machine3",)


def test_a_member_of_a_swarm_that_is_gone_leaves_it_first(lab: Lab) -> None:
    seen = healthy(lab)
    seen.members["machine2"] = inside("elsewhere")
    assert kinds(plan.plan(lab, seen, Journal()))[:2] == [
        ("machine2", "swarm-leave"),
        ("machine2", "swarm-join"),
    ]


@pytest.mark.parametrize("alone", [False, True])
def test_an_engine_whose_first_join_has_failed_tries_again(lab: Lab, alone: bool) -> None:
    seen = Facts({m.name: NOTHING for m in lab.machines}) if alone else healthy(lab)
    seen.members["machine2"] = Member("error", "", manager=False, error="deadline", cluster="")
    found = kinds(plan.plan(lab, seen, Journal()))
    assert ("machine2", "swarm-leave") in found
    assert ("machine2", "swarm-join") in found


def test_a_lost_quorum_is_recovered_before_anything_else(lab: Lab) -> None:
    seen = Facts(healthy(lab).members, lost="machine1")
    allowed = plan.Allowed(recover=True)
    assert kinds(plan.plan(lab, seen, Journal(), allowed)) == [("machine1", "swarm-recover")]


def test_a_manager_that_was_demoted_while_it_was_down_joins_again(lab: Lab) -> None:
    seen = healthy(lab)
    seen.members["machine3"] = Member("pending", "id-machine3", manager=True, error="", cluster="c")
    seen.nodes[2]["Status"]["State"] = "down"
    assert kinds(plan.plan(lab, seen, Journal())) == [
        ("machine3", "swarm-leave"),
        ("machine3", "swarm-join"),
        ("machine1", "swarm-entry"),
    ]
    # One whose demotion has only just begun is left alone.
    seen.members["machine3"] = inside("id-machine3", manager=True)
    seen.nodes[2]["Status"]["State"] = "ready"
    assert plan.plan(lab, seen, Journal()) == []


def test_new_managers_come_before_old_ones_go(lab: Lab) -> None:
    nodes = (node(lab, "machine1"), node(lab, "machine2", "manager"), node(lab, "machine3"))
    seen = Facts(healthy(lab).members, nodes, "machine2")
    assert kinds(plan.plan(lab, seen, Journal())) == [
        ("machine1", "swarm-promote"),
        ("machine2", "swarm-demote"),
    ]


@pytest.mark.parametrize(
    ("role", "state", "manager", "why"),
    [
        ("worker", "ready", None, ""),
        ("manager", "ready", {"Reachability": "reachable"}, ""),
        ("manager", "ready", None, "a manager that the others do not reach"),
        ("manager", "ready", {"Reachability": "unknown"}, "a manager that the others do not reach"),
        ("worker", "ready", {"Leader": True}, "a manager still, that becomes a worker"),
        ("worker", "unknown", None, "unknown heartbeat failure"),
    ],
)
def test_a_node_is_ready_when_it_is_so_in_its_role(
    role: str, state: str, manager: dict[str, Any] | None, why: str
) -> None:
    message = "" if state == "ready" else "heartbeat failure"
    there = {"Status": {"State": state, "Message": message}, "ManagerStatus": manager}
    assert members.unready(role, there) == why
    assert members.unready(role, None) == "not in the swarm's list of nodes"


def journal_with(path: Path, kind: str, machine: str, after: dict[str, str]) -> Journal:
    journal = Journal(path)
    with journal.writing(Change(machine, kind, "x")) as entry:  # type: ignore[arg-type]
        entry.after = after
    return Journal(path)


def test_on_existing_hosts_only_the_labs_own_swarm_is_touched(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    seen = healthy(lab)
    with pytest.raises(MachineError, match="machine1, machine2, machine3: in a swarm already"):
        plan.plan(lab, seen, Journal(file))
    for machine in lab.machines:
        journal = journal_with(file, "swarm-join", machine.name, {"node": f"id-{machine.name}"})
    assert plan.plan(lab, seen, journal) == []
    # The host has been taken into another swarm meanwhile.
    seen.members["machine3"] = inside("elsewhere")
    with pytest.raises(MachineError, match="machine3: in a swarm already"):
        plan.plan(lab, seen, journal)


def test_somebody_elses_node_with_one_of_our_names_keeps_its_entry(
    lab: Lab, tmp_path: Path
) -> None:
    file = tmp_path / "journal.json"
    for machine in lab.machines:
        journal = journal_with(file, "swarm-join", machine.name, {"node": f"id-{machine.name}"})
    seen = healthy(lab)
    stranger = {**node(lab, "machine3", id_="other"), "Status": {"Addr": "203.0.113.9"}}
    seen = replace(seen, nodes=(*seen.nodes, stranger))
    assert plan.plan(lab, seen, journal) == []
    assert kinds(plan.plan(lab, seen, Journal())) == [("machine1", "swarm-entry")]


def test_what_a_join_left_that_was_cut_off_goes(lab: Lab, tmp_path: Path) -> None:
    """It has no name and no address: its engine had not come to say them."""
    file = tmp_path / "journal.json"
    for machine in lab.machines:
        journal = journal_with(file, "swarm-join", machine.name, {"node": f"id-{machine.name}"})
    for state, of_machines, of_hosts in (
        ("unknown", ["cut-off"], []),
        ("down", ["cut-off"], ["cut-off"]),
        ("ready", [], []),
    ):
        entry = {"ID": "cut-off", "Spec": {"Role": "worker"}, "Description": {}, "Status": {}}
        entry["Status"] = {"State": state}
        seen = replace(healthy(lab), nodes=(*healthy(lab).nodes, entry))
        assert [i for c in plan.plan(lab, seen, Journal()) for i in c.items] == of_machines
        # On existing hosts somebody else's may be joining.
        assert [i for c in plan.plan(lab, seen, journal) for i in c.items] == of_hosts


def test_on_existing_hosts_it_goes_at_once_where_our_own_join_was_cut_off(
    lab: Lab, tmp_path: Path
) -> None:
    """A manager that has started a moment ago calls it unknown, and only later down."""
    file = tmp_path / "journal.json"
    for machine in lab.machines:
        journal_with(file, "swarm-join", machine.name, {"node": f"id-{machine.name}"})
    entry = {"ID": "cut-off", "Spec": {"Role": "worker"}, "Status": {"State": "unknown"}}
    seen = replace(healthy(lab), nodes=(*healthy(lab).nodes, entry))
    journal = Journal(file)
    again = Change("machine3", "swarm-join", "x")
    begun = journal.begin(again)
    assert [c.items for c in plan.plan(lab, seen, Journal(file))] == [("cut-off",)]
    # Once it has joined, what has no name is somebody else's again.
    journal.finish(begun, {"node": "id-machine3"})
    assert plan.plan(lab, seen, Journal(file)) == []


def alone(lab: Lab, empty: bool = True) -> Facts:
    """A swarm of machine1 alone, as it is a moment after it was started."""
    seen = healthy(lab)
    out = {name: members.Member("inactive", "", False, "", "") for name in seen.members}
    return replace(
        seen,
        members={**out, "machine1": seen.members["machine1"]},
        nodes=tuple(one for one in seen.nodes if one["ID"] == "id-machine1"),
        empty=empty,
    )


AGAIN = [("machine1", "swarm-leave"), ("machine1", "swarm-init")]


def test_a_swarm_whose_start_was_cut_off_is_started_again(lab: Lab, tmp_path: Path) -> None:
    """It may have lost the key that it signs with, and nobody could ever join it."""
    journal = Journal(tmp_path / "journal.json")
    begun = journal.begin(Change("machine1", "swarm-init", "x"))
    assert kinds(plan.plan(lab, alone(lab), journal))[:2] == AGAIN
    # What holds something is not given up for it.
    assert AGAIN[1] not in kinds(plan.plan(lab, alone(lab, empty=False), journal))
    journal.finish(begun, {"node": "id-machine1"})
    assert AGAIN[1] not in kinds(plan.plan(lab, alone(lab), journal))


def test_so_is_one_of_virtual_machines_whose_up_has_never_ended(lab: Lab) -> None:
    assert kinds(plan.plan(lab, alone(lab), Journal()))[:2] == AGAIN
    lab.state.mkdir(parents=True)
    lab.files.ready.write_text("{}")
    assert AGAIN[1] not in kinds(plan.plan(lab, alone(lab), Journal()))


def test_an_adopted_swarm_keeps_its_roles(lab: Lab, tmp_path: Path) -> None:
    nodes = tuple(node(lab, m.name, "manager") for m in lab.machines)
    seen = replace(healthy(lab), nodes=nodes)
    with pytest.raises(MachineError, match="machine2: a manager in the swarm it is in"):
        plan.plan(lab, seen, Journal(tmp_path / "journal.json"), plan.Allowed(adopt=True))
