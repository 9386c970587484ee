"""What is somebody else's, or only waits for somebody, is named and left as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest
import requests

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab import load
from provision.lab.model import Lab, SwarmSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.swarm import members, plan
from provision.swarm import nodes as nodes_by_hand
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
    assert plan.plan(lab, healthy(lab), adopted, plan.Allowed(adopt=True)) == []


@pytest.mark.parametrize("lost", ["", "machine1"])
@pytest.mark.parametrize("adopt", [True, False])
def test_an_adopted_swarm_without_a_leader_is_neither_started_nor_recovered(
    lab: Lab, adopted: Journal, lost: str, adopt: bool
) -> None:
    seen = replace(healthy(lab), nodes=(), leader="", lost=lost)
    with pytest.raises(MachineError, match="not the lab's to start or recover") as caught:
        plan.plan(lab, seen, adopted, plan.Allowed(adopt, recover=adopt))
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
        self.docker = self.nodes = self.services = self.secrets = self.configs = self
        self.name, self.address = "machine1", "192.168.56.11"

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


@pytest.mark.parametrize(
    ("names", "services", "empty"),
    [
        (["machine1"], [], True),
        (["machine1", ""], [], True),
        (["machine1", "machine2"], [], False),
        (["machine1"], ["web"], False),
    ],
    ids=["alone", "with what a join has left", "two nodes", "a service"],
)
def test_a_swarm_is_empty_where_it_has_one_node_and_holds_nothing(
    names: list[str], services: list[str], empty: bool
) -> None:
    nothing = SimpleNamespace(list=list)
    held = SimpleNamespace(list=lambda: services)
    leader: Any = SimpleNamespace(
        docker=SimpleNamespace(services=held, secrets=nothing, configs=nothing)
    )
    nodes = tuple({"ID": name, "Description": {"Hostname": name}} for name in names)
    assert members._is_empty(leader, nodes) is empty


def test_a_look_that_timed_out_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_PAUSE", 0)
    monkeypatch.setattr(members, "_PATIENCE", 0)
    late = requests.ReadTimeout("Read timed out.")
    assert look(late, 1).leader == "machine1"
    assert look(docker.errors.APIError("no leader"), 2).leader == "machine1"
    assert look(late, 9).silent == "machine1"
    assert look(docker.errors.APIError("no leader"), 9).lost == "machine1"


# -- what would lose services, secrets and configs ----------------------------------------------


def alone(lab: Lab, *gone: str, state: str = "pending") -> Facts:
    """One manager is left that knew three; those of `gone` are in no swarm any more."""
    peers = tuple((f"old-{m.name}", m.address) for m in lab.machines)
    out = Member("inactive", "", False, "", "")
    found = {
        m.name: out if m.name in gone else Member(state, f"old-{m.name}", True, "", "", peers)
        for m in lab.machines
    }
    return Facts(found, lost=next(name for name in found if name not in gone))


RECOVER = plan.Allowed(recover=True)


def test_a_lost_quorum_is_recovered_only_where_that_is_asked_for(lab: Lab) -> None:
    seen = alone(lab, "machine1")
    with pytest.raises(MachineError) as caught:
        plan.plan(lab, seen, Journal())
    said = str(caught.value)
    assert "machine2: its swarm has no leader" in said
    assert "not in it any more: machine1" in said
    for lost in ("membership of the other managers", "services, secrets and configs"):
        assert lost in said
    assert "inv up --recover-swarm" in caught.value.advice
    assert caught.value.exit_code == 3
    (change,) = plan.plan(lab, seen, Journal(), RECOVER)
    assert (change.machine, change.kind) == ("machine2", "swarm-recover")


def test_a_manager_of_another_swarm_leaves_it_only_where_that_is_asked_for(lab: Lab) -> None:
    seen = state(healthy(lab), "machine2", node_id="elsewhere", manager=True)
    with pytest.raises(MachineError, match="machine2: manager of another swarm") as caught:
        plan.plan(lab, seen, Journal())
    assert "--recover-swarm. The services, secrets and configs" in caught.value.advice
    kinds = [c.kind for c in plan.plan(lab, seen, Journal(), RECOVER) if c.machine == "machine2"]
    assert kinds == ["swarm-leave", "swarm-join"]


@pytest.mark.parametrize("peers", [(), (("x", "203.0.113.1"),)])
def test_a_swarm_that_is_managed_elsewhere_is_not_replaced_by_a_new_one(
    lab: Lab, peers: tuple[tuple[str, str], ...]
) -> None:
    out = Member("inactive", "", False, "", "")
    worker = Member("active", "w", False, "", "", peers)
    seen = Facts({"machine1": out, "machine2": worker})
    with pytest.raises(MachineError, match="machine2: in a swarm whose managers are not in the"):
        plan.plan(lab, seen, Journal())
    assert plan.plan(lab, seen, Journal(), RECOVER)


def test_a_worker_whose_only_manager_was_recreated_joins_by_itself(lab: Lab) -> None:
    out = Member("inactive", "", False, "", "")
    worker = Member("active", "w", False, "", "", (("old", lab.machine("machine1").address),))
    found = plan.plan(lab, Facts({"machine1": out, "machine2": worker}), Journal())
    assert [change.kind for change in found] == ["swarm-init", "swarm-leave", "swarm-join"]


def test_a_manager_that_has_not_started_yet_is_not_taken_for_a_worker(lab: Lab) -> None:
    first, second = lab.machines
    peers = (("id-machine1", first.address),)
    starting = Member("pending", "id-machine1", False, "", "", peers)
    worker = Member("active", "id-machine2", False, "", "", peers)
    seen = Facts({first.name: starting, second.name: worker})
    assert seen.passing(addresses(lab))
    with pytest.raises(MachineError, match="machine1: its swarm is still starting"):
        plan.plan(lab, seen, Journal())
    # Nor where its engine calls the node active already, and answers no question about the swarm.
    seen.members["machine1"] = replace(starting, state="active")
    with pytest.raises(MachineError, match="do not say that they are managers"):
        plan.plan(lab, seen, Journal())
    # Beside a leader it is a manager of another swarm.
    other = state(healthy(lab), "machine2", node_id="x", peers=(("x", second.address),))
    with pytest.raises(MachineError, match="machine2: manager of another swarm"):
        plan.plan(lab, other, Journal())


def test_a_node_in_the_state_error_leaves_only_where_that_is_asked_for(
    lab: Lab, adopted: Journal
) -> None:
    seen = state(healthy(lab), "machine2", state="error", error="certificate has expired")
    with pytest.raises(MachineError, match="has expired") as caught:
        plan.plan(lab, seen, Journal())
    assert "inv up --recover-swarm" in caught.value.advice
    kinds = [c.kind for c in plan.plan(lab, seen, Journal(), RECOVER)]
    assert kinds == ["swarm-leave", "swarm-join", "swarm-entry"]
    with pytest.raises(MachineError, match="has expired") as caught:
        plan.plan(lab, seen, adopted, RECOVER)
    assert "--recover-swarm" not in caught.value.advice


def test_a_locked_swarm_is_left_whatever_is_asked_for(lab: Lab) -> None:
    seen = state(healthy(lab), "machine1", state="locked", manager=False)
    with pytest.raises(MachineError, match="is locked"):
        plan.plan(lab, replace(seen, nodes=(), leader=""), Journal(), RECOVER)


# -- what is waited for --------------------------------------------------------------------------


def addresses(lab: Lab) -> dict[str, str]:
    return {machine.name: machine.address for machine in lab.machines}


def test_managers_that_may_still_elect_a_leader_are_waited_for(lab: Lab) -> None:
    assert alone(lab).passing(addresses(lab))
    # Of two managers one is gone for good: no time brings the majority back.
    assert not alone(lab, "machine1").passing(addresses(lab))
    # Where the other ones are is not known: they may be starting.
    assert alone(lab, "machine1").passing({})


def test_a_worker_that_is_starting_is_waited_for_before_it_counts_as_unknown(lab: Lab) -> None:
    seen = state(healthy(lab), "machine2", state="pending", node_id="other")
    assert seen.passing(addresses(lab))
    assert not state(healthy(lab), "machine2", state="pending").passing(addresses(lab))
    assert not state(healthy(lab), "machine2", node_id="other").passing(addresses(lab))


class Starting(Engine):
    """An engine whose node is pending for so many looks, and is listed from then on."""

    def info(self) -> dict[str, Any]:
        self.failures -= 1
        said = {"LocalNodeState": "pending" if self.failures >= 0 else "active", "NodeID": "n"}
        peers = [{"NodeID": "m", "Addr": "[fd00::1]:2377"}]
        return {"Swarm": {**said, "RemoteManagers": peers}}


def test_a_look_goes_on_as_long_as_a_node_is_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_PAUSE", 0)
    starting = cast(Machine, Starting(ValueError(), 20))
    seen = members.look({"machine1": starting})
    assert seen.members["machine1"].state == "active"
    assert seen.members["machine1"].peers == (("m", "fd00::1"),)


# -- somebody else's swarm, that nodes of the lab have joined -------------------------------------


@pytest.fixture
def joined(lab: Lab, tmp_path: Path) -> Journal:
    """machine1 was in its swarm before; machine2 has joined it."""
    journal = Journal(tmp_path / "other.json")
    for name, kind in (("machine1", "swarm-adopt"), ("machine2", "swarm-join")):
        change = Change(name, kind, "x", (f"id-{name}",))  # type: ignore[arg-type]
        with journal.writing(change) as entry:
            entry.after = {"node": f"id-{name}"}
    return journal


def test_an_adopted_membership_is_not_the_labs_own(joined: Journal) -> None:
    assert not joined.owns("machine1", "id-machine1")
    assert joined.adopts("machine1", "id-machine1")
    assert not joined.adopts("machine1", "other")
    assert joined.owns("machine2", "id-machine2")
    assert joined.joined("machine1") == set()


def test_entries_of_an_adopted_swarms_owner_are_never_removed(lab: Lab, joined: Journal) -> None:
    # The owner's own entry of a host that was recreated before the lab was made of it.
    theirs = {**node(lab, "machine2", "worker"), "ID": "theirs"}
    ours = {**node(lab, "machine2", "worker"), "ID": "id-machine2"}
    seen = healthy(lab)
    seen = replace(seen, nodes=(*seen.nodes, theirs))
    assert plan.plan(lab, seen, joined) == []
    # What the lab has joined and then recreated goes, and nothing else.
    again = state(replace(seen, nodes=(seen.nodes[0], ours, theirs)), "machine2", state="inactive")
    again.members["machine2"] = replace(again.members["machine2"], node_id="")
    entries = [c.items for c in plan.plan(lab, again, joined) if c.kind == "swarm-entry"]
    assert entries == [("id-machine2",)]


def test_roles_of_nodes_that_joined_an_adopted_swarm_are_not_changed(
    lab: Lab, joined: Journal
) -> None:
    nodes = (node(lab, "machine1", "manager"), node(lab, "machine2", "manager"))
    with pytest.raises(MachineError, match="machine2: a manager in the swarm it is in"):
        plan.plan(lab, replace(healthy(lab), nodes=nodes), joined)


@pytest.mark.parametrize("verb", ["drain", "activate", "promote", "demote"])
def test_node_verbs_are_refused_on_adopted_hosts(joined: Journal, verb: str) -> None:
    with pytest.raises(UserError, match=f"adopted swarm, .* inv node.{verb} is refused"):
        nodes_by_hand.refuse_adopted(joined, "machine1", verb)
    if verb in {"promote", "demote"}:
        with pytest.raises(UserError, match="machine2 has joined an adopted swarm"):
            nodes_by_hand.refuse_adopted(joined, "machine2", verb)
    else:
        nodes_by_hand.refuse_adopted(joined, "machine2", verb)
    nodes_by_hand.refuse_adopted(Journal(), "machine1", verb)


# -- how a swarm is started -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (SwarmSpec(), []),
        (SwarmSpec(("10.0.0.0/8",), 24, 4789), []),
        (
            SwarmSpec(("10.20.0.0/16",), 24, 4790),
            [
                "machine1: its swarm has address pool 10.0.0.0/8, not address pool 10.20.0.0/16; "
                "a swarm keeps what it was started with",
                "machine1: its swarm has data path port 4789, not data path port 4790; "
                "a swarm keeps what it was started with",
            ],
        ),
    ],
)
def test_where_a_running_swarm_differs_from_lab_toml_is_told(
    lab: Lab, wanted: SwarmSpec, said: list[str]
) -> None:
    cluster = {"ID": "c", "DefaultAddrPool": None, "SubnetSize": 0, "DataPathPort": 4789}
    there = replace(healthy(lab), members={"machine1": manager_with(cluster)})
    assert plan.notes(replace(lab, swarm=wanted), there) == said
    # A worker does not say.
    assert plan.notes(replace(lab, swarm=wanted), healthy(lab)) == []


def manager_with(cluster: dict[str, Any]) -> Member:
    engine: Any = SimpleNamespace(
        docker=SimpleNamespace(
            info=lambda: {"Swarm": {"LocalNodeState": "active", "NodeID": "n", "Cluster": cluster}}
        )
    )
    return members.member(engine)


def test_a_dry_run_says_how_the_swarm_is_started(lab: Lab) -> None:
    given = replace(lab, swarm=SwarmSpec(("10.20.0.0/16",), 26, 4790))
    (first, *_) = plan.plan(given, Facts({}), Journal())
    assert first.what == (
        "start the swarm (address pool 10.20.0.0/16, subnets of /26, data path port 4790)"
    )
