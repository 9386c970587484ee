"""From facts to changes: what is to be done is decided by plain functions, without a machine."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.changes import change
from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.engine import facts as engine
from provision.engine import images, install
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


def test_a_machine_made_anew_joins_and_its_old_entry_goes(lab: Lab) -> None:
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


def test_a_lost_quorum_is_recovered_before_anything_else(lab: Lab) -> None:
    seen = Facts(healthy(lab).members, lost="machine1")
    assert kinds(plan.plan(lab, seen, Journal())) == [("machine1", "swarm-recover")]


def test_a_manager_that_was_demoted_while_it_was_down_joins_anew(lab: Lab) -> None:
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


def test_an_adopted_swarm_keeps_its_roles(lab: Lab, tmp_path: Path) -> None:
    nodes = tuple(node(lab, m.name, "manager") for m in lab.machines)
    seen = replace(healthy(lab), nodes=nodes)
    with pytest.raises(MachineError, match="machine2: a manager in the swarm it is in"):
        plan.plan(lab, seen, Journal(tmp_path / "journal.json"), adopt=True)


# -- engines and images ---------------------------------------------------------------------------

BARE = engine.Facts(
    system="debian",
    release="bookworm",
    docker="",
    daemon="",
    version="",
    tcpdump="",
    active=False,
    group=False,
    member=False,
    apt="/usr/bin/apt-get",
    dnf="",
    needs_apparmor_parser=True,
    user="ops",
)
WHOLE = replace(BARE, docker="/d", daemon="/e", version="20.10.24", tcpdump="/t", active=True)


def test_an_engine_gets_what_it_lacks_and_no_more() -> None:
    def found(seen: engine.Facts) -> list[str]:
        return [change.what for change in install.plan("m", seen, "distribution", existing=True)]

    group = "put ops into the group docker"
    assert found(BARE) == ["install Docker, tcpdump, apparmor with apt-get", group]
    whole = replace(WHOLE, needs_apparmor_parser=False)
    assert found(replace(whole, active=False)) == ["start Docker, now and at boot", group]
    assert found(replace(whole, member=True)) == []
    assert found(replace(whole, user="root")) == []


def test_a_login_goes_into_a_shell_quoted() -> None:
    (group,) = install.plan(
        "m", replace(WHOLE, needs_apparmor_parser=False, user="a;b"), "distribution", existing=True
    )
    assert group.script == "usermod -aG docker 'a;b'"


def test_only_a_vm_gets_another_version_in_place_of_the_one_it_has() -> None:
    assert install.plan("m", WHOLE, "28.2.2", existing=False)
    with pytest.raises(MachineError, match=r"has Docker 20\.10\.24, and lab\.toml wants 28\.2\.2"):
        install.plan("m", WHOLE, "28.2.2", existing=True)


def test_an_image_is_brought_only_where_it_is_not(lab: Lab) -> None:
    seen = {"machine1": images.Facts({"alpine:latest": "sha256:1"}), "machine2": images.Facts({})}
    found = images.plan(lab, seen)
    assert [(change.machine, change.what) for change in found] == [
        ("machine2", "pull alpine:latest")
    ]


def test_a_box_that_carries_its_image_asks_no_registry(lab: Lab) -> None:
    seen = {"machine1": images.Facts({}, carried="x/y:1")}
    (change,) = images.plan(lab, seen)
    assert change.what == "load x/y:1, which its box carries"
    assert images.plan(lab, {"machine1": images.Facts({"x/y:1": "i"}, carried="x/y:1")}) == []


# -- shown, and written down -----------------------------------------------------------------------


def test_changes_are_shown_for_every_machine() -> None:
    text = change.as_text(["a", "b"], [Change("a", "daemon", "start it", script="one\ntwo")])
    assert text == "a:\n  - start it\n      one\n      two\nb: nothing to do"


def test_a_change_is_written_down_before_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    journal = Journal(file)
    change = Change("a", "image", "x", ("i:1",))
    with contextlib.suppress(RuntimeError), journal.writing(change, {"i:1": "old"}):
        assert Journal(file).of("a")[0].state == "begun"
        raise RuntimeError
    (entry,) = Journal(file).of("a")
    assert (entry.state, entry.before, entry.after) == ("begun", {"i:1": "old"}, {})
    assert file.stat().st_mode & 0o077 == 0
    Journal(file).forget("a", entry)
    assert Journal(file).hosts() == []
