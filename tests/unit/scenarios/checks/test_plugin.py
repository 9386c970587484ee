"""Judgements about a plugin's mesh and its encrypted packets: each can fail.

The mesh of a real Weave cannot be had on the hosts tier, whose kernel lacks its modules; what is
judged here are documents and captures of the shapes that it gives on virtual machines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from provision.changes.journal import Journal
from provision.lab.model import PluginSpec
from provision.machine.machine import Result
from provision.plugins.install import Wanted
from provision.support.errors import MachineError
from scenarios.checks import network, plugin
from scenarios.checks.plugin import expect_known
from scenarios.drivers.weave import WEAVE, encapsulation
from scenarios.kit.driver import Driver, Mesh, Peer, Use
from scenarios.kit.step import Context, Step, StepFailed
from scenarios.record import model


@dataclass
class Box:
    """A machine as far as these judgements look at it."""

    name: str
    address: str
    docker: Any = field(init=False)

    def __post_init__(self) -> None:
        self.docker = SimpleNamespace(
            info=lambda: {"Name": self.name, "Swarm": {"NodeID": f"id of {self.name}"}}
        )


ONE, TWO = Box("machine1", "192.168.56.11"), Box("machine2", "192.168.56.12")


def step(folder: Path, peers: Mapping[str, tuple[Peer, ...]], password: str | None = None) -> Step:
    def mesh(machine: Any) -> Mesh:
        if machine.name not in peers:
            raise MachineError(f"{machine.name}: http://127.0.0.1:6784/report does not answer")
        return Mesh(peers[machine.name], {"of": machine.name})

    plugin = PluginSpec("p:1", password=password)
    driver = Driver("Weave Net", "weave.sock", encapsulation, mesh=mesh)
    machines: Any = [ONE, TWO]
    use = Use(driver, Wanted("p:1", plugin), [], machines, encapsulation(plugin), Journal())
    context = Context(
        machines={"machine1": machines[0], "machine2": machines[1]},
        manager=machines[0],
        folder=folder,
        names={"task1": "t1", "address1": "10.1.1.2", "task2": "t2", "address2": "10.1.1.3"},
        tell=lambda _: None,
        topology=model.Topology(hosts=[]),
        image="i",
        plugin=use,
    )
    data = model.Step(number="2", title="t", why="", machines=["machine1"], state="passed")
    return Step(context, data, [machines[0]])


def peer(name: str, established: bool = True, encrypted: bool = False) -> Peer:
    return Peer(name, established, encrypted, "fastdp")


def failed(one: Step) -> list[tuple[str, str]]:
    return [(e.machine, e.what) for e in one.data.expectations if not e.passed]


BOTH = {"machine1": (peer("machine2"),), "machine2": (peer("machine1"),)}


def test_a_mesh_in_which_every_node_has_every_other_passes(tmp_path: Path) -> None:
    one = step(tmp_path, BOTH)
    plugin.expect_mesh(one, patience=0)
    assert failed(one) == []
    kept = [document.file for document in one.data.documents]
    assert kept == ["raw/02-machine1-mesh-status.json", "raw/02-machine2-mesh-status.json"]
    assert json.loads((tmp_path / kept[0]).read_text()) == {"of": "machine1"}


@pytest.mark.parametrize("lost", [(), (peer("machine1", established=False),), (peer("other"),)])
def test_a_node_without_the_other_is_seen(tmp_path: Path, lost: tuple[Peer, ...]) -> None:
    one = step(tmp_path, {**BOTH, "machine2": lost})
    plugin.expect_mesh(one, patience=0)
    assert (
        "machine2",
        "the mesh has an established connection to every other node",
    ) in failed(one)


def test_a_mesh_that_is_not_encrypted_though_there_is_a_password_is_seen(tmp_path: Path) -> None:
    one = step(tmp_path, BOTH, password="sesame")  # noqa: S106 - a test's
    plugin.expect_mesh(one, patience=0)
    assert failed(one) == [
        ("machine1", "the connections are encrypted"),
        ("machine2", "the connections are encrypted"),
    ]


def test_a_mesh_that_is_encrypted_without_a_password_is_seen(tmp_path: Path) -> None:
    one = step(tmp_path, {**BOTH, "machine1": (peer("machine2", encrypted=True),)})
    plugin.expect_mesh(one, patience=0)
    assert [machine for machine, _ in failed(one)] == ["machine1"]


def test_a_plugin_that_does_not_tell_of_its_mesh_is_told(tmp_path: Path) -> None:
    one = step(tmp_path, {"machine1": BOTH["machine1"]})
    with pytest.raises(MachineError, match="does not answer"):
        plugin.expect_mesh(one, patience=0)


# -- installed ------------------------------------------------------------------------------------


def installed(folder: Path, **more: Any) -> list[str]:
    """What fails of a plugin that an engine inspects as Weave's, with `more` of it changed."""
    config = {
        "Interface": {"Socket": "weave.sock"},
        "Network": {"Type": "host"},
        "Linux": {"Capabilities": ["CAP_NET_ADMIN"]},
    }
    said = {"Id": "i", "Name": "p:1", "Enabled": True, "Config": config, **more}
    one = step(folder, {})
    machine: Any = Box("machine1", "192.168.56.11")
    machine.docker.api = SimpleNamespace(inspect_plugin=lambda _: said)
    machine.run = lambda command, *_: Result("machine1", command, "", "", 0, "", 0.1)
    plugin.expect_enabled(one, [machine])
    return [what for _, what in failed(one)]


def test_a_plugin_that_is_there_and_enabled_with_what_is_listed_passes(tmp_path: Path) -> None:
    assert installed(tmp_path) == []


def test_a_plugin_that_is_not_enabled_is_seen(tmp_path: Path) -> None:
    assert installed(tmp_path, Enabled=False) == ["the plugin is installed and enabled"]


def test_a_plugin_that_has_more_than_it_was_granted_is_seen(tmp_path: Path) -> None:
    config = {"Interface": {"Socket": "weave.sock"}, "PidHost": True}
    assert installed(tmp_path, Config=config) == [
        "it has no privilege beyond those listed by the exercise and granted by name"
    ]


def test_another_driver_under_the_plugins_name_is_seen(tmp_path: Path) -> None:
    config = {"Interface": {"Socket": "other.sock"}}
    assert installed(tmp_path, Config=config) == ["it is Weave Net, by its socket"]


# -- gone ---------------------------------------------------------------------------------------


def test_what_a_removed_plugin_has_left_behind_is_seen(tmp_path: Path) -> None:
    def nothing(_: str) -> None:
        raise docker.errors.NotFound("no such plugin")

    one = step(tmp_path, {})
    boxes: Any = one.plugin.machines
    for box in boxes:
        box.docker.api = SimpleNamespace(inspect_plugin=nothing)
    behind: dict[str, list[str]] = {"machine1": [], "machine2": ["interface weave"]}
    driver = replace(one.plugin.driver, left=lambda machine: behind[machine.name])
    one.plugin.driver = driver
    plugin.remove(one)
    plugin.expect_gone(one)
    assert [(e.passed, e.seen) for e in one.data.expectations] == [
        (False, ["interface weave on machine2"])
    ]
    behind["machine2"] = []
    plugin.expect_gone(one)
    assert one.data.expectations[-1].passed


# -- encrypted packets --------------------------------------------------------------------------


def packet(source: Box, target: Box, inner: str = "") -> model.Packet:
    return model.Packet(
        at=0,
        outer_source=source.address,
        outer_destination=target.address,
        outer_port=0,
        encapsulation="ESP of Weave's fast datapath",
        inner=inner,
    )


def judged(folder: Path, packets: list[model.Packet]) -> list[str]:
    one = step(folder, {}, password="sesame")  # noqa: S106 - a test's
    capture = model.Capture(
        machine="machine1",
        interface="eth1",
        filter="f",
        file="f",
        total=len(packets),
        packets=packets,
    )
    network._expect_unreadable(one, [capture], one.plugin.how, ("10.1.1.2", "10.1.1.3"), 3)
    return [what for _, what in failed(one)]


CROSSED = [packet(ONE, TWO)] * 3 + [packet(TWO, ONE)] * 3


def test_as_many_encrypted_packets_as_were_pinged_both_ways_pass(tmp_path: Path) -> None:
    assert judged(tmp_path, CROSSED) == []


def test_encrypted_packets_one_way_only_are_seen(tmp_path: Path) -> None:
    assert judged(tmp_path, CROSSED[:3]) == [
        "encrypted Weave passes 192.168.56.12 > 192.168.56.11 on eth1"
    ]


def test_fewer_than_were_pinged_is_seen(tmp_path: Path) -> None:
    assert len(judged(tmp_path, CROSSED[1:-1])) == 2


def test_a_ping_that_can_be_read_is_seen(tmp_path: Path) -> None:
    clear = packet(ONE, TWO, "ICMP echo request 10.1.1.2 > 10.1.1.3")
    assert judged(tmp_path, [*CROSSED, clear]) == [
        "nothing between 10.1.1.2 and 10.1.1.3 can be read on eth1"
    ]


# -- what has to be known -----------------------------------------------------------------------


def test_a_network_whose_vni_is_not_known_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="VNI is not known"):
        network._vni(step(tmp_path, {}))


def test_a_scenario_without_a_plugin_says_so(tmp_path: Path) -> None:
    one = step(tmp_path, {})
    one.context.plugin = None
    with pytest.raises(StepFailed, match="no network driver plugin"):
        _ = one.plugin


def test_files_of_lettered_steps_sort_as_they_ran(tmp_path: Path) -> None:
    one = step(tmp_path, {})
    machine: Any = ONE
    names = []
    for number in ("6a", "6b", "5", "10"):
        one.data.number = number
        names.append(one.file("underlay", machine, "pcap"))
    assert names == [
        "raw/06a-machine1-underlay.pcap",
        "raw/06b-machine1-underlay.pcap",
        "raw/05-machine1-underlay.pcap",
        "raw/10-machine1-underlay.pcap",
    ]


def test_weave_loads_what_its_kernel_part_needs() -> None:
    assert {"openvswitch", "vxlan", "dummy"} <= set(WEAVE.modules)


@pytest.mark.parametrize(("second", "seen"), [("p:1", []), ("bridge", ["machine2"])])
def test_a_node_whose_plugin_the_swarm_does_not_know_of_is_told(
    tmp_path: Path, second: str, seen: list[str]
) -> None:
    one = step(tmp_path, BOTH)
    nodes = [
        SimpleNamespace(
            attrs={
                "ID": f"id of {name}",
                # Two hosts may have one name.
                "Description": {"Hostname": "same", "Engine": {"Plugins": [{"Name": plugin}]}},
            }
        )
        for name, plugin in (("machine1", "p:1"), ("machine2", second))
    ]
    manager: Any = one.context.manager
    manager.docker.nodes = SimpleNamespace(list=lambda: nodes)
    expect_known(one, patience=0)
    assert one.data.expectations[0].seen == seen
    assert one.data.expectations[0].passed is (seen == [])
