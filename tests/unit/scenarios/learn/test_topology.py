"""The topology of a lab as it is now, from recorded answers of engines; and its picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.bridge import bridge
from scenarios.learn import topology
from scenarios.learn.look import Exercise
from scenarios.learn.world import Container, Engine, Network, Node, Service, World
from scenarios.overlay import overlay
from scenarios.record import model
from scenarios.report import pages
from scenarios.spread import spread
from tests.unit.scenarios.learn import typed_right
from tests.unit.scenarios.learn.test_typed import Typed
from tests.unit.scenarios.learn.typed_right import aims_of
from tests.vxlan_driver.scenario import tunnel

HOSTS = [
    model.Host(
        name=f"machine{n}",
        role="manager" if n == 1 else "worker",
        address=f"10.77.0.{n}",
        engine="26.1.5",
        api="1.45",
        system="Debian",
        kernel="6.1",
    )
    for n in (1, 2)
]
EVIL = "<script>alert('1')</script>\"&\u202e]]>" + "x" * 200


def seen(exercise: Exercise) -> tuple[model.Topology, dict[int, str]]:
    """The topology as it is at the exercise's stage, and the names of networks."""
    world = exercise.look(lambda _: False).world
    shown = topology.now(world, exercise.record.topology.hosts, exercise.plugin)
    return shown, topology.names(world, exercise.plugin)


def stages(typed: Typed) -> list[model.Topology]:
    return [seen(typed.exercise(number))[0] for number in range(len(typed.stages))]


def tasks(shown: model.Topology) -> list[tuple[str, str, str, str]]:
    return [(one.service, one.machine, one.network, one.address) for one in shown.tasks]


def test_networks_and_tasks_come_and_go_as_they_are_typed(tmp_path: Path) -> None:
    found = stages(Typed(overlay, tmp_path))
    names = [[network.name for network in shown.networks] for shown in found]
    assert names == [[], *[["overlaynet1"]] * 4, []]
    first = ("alpine-overlay1", "machine1", "overlaynet1", "172.45.0.3")
    second = ("alpine-overlay2", "machine2", "overlaynet1", "172.45.0.6")
    assert list(map(tasks, found)) == [[], [], [first], [first, second], [], []]
    network = found[1].networks[0]
    assert (network.driver, network.subnet, network.gateway) == (
        "overlay",
        "172.45.0.0/16",
        "172.45.0.1",
    )
    assert network.vni == 4097
    host = found[0].hosts[0]
    assert (host.name, host.role, host.address) == ("machine1", "manager", "10.77.0.1")
    assert host.engine


def test_of_what_machines_have_for_themselves_the_exercises_is_shown() -> None:
    there = typed_right.empty()
    for number, aim in aims_of(bridge).items():
        if number == "12":
            break
        typed_right.done(aim, there)
    first = there.engines["machine1"]
    first.networks.append(first.networks[-1].model_copy(update={"id": "theirs", "name": "theirs"}))
    first.containers.append(
        first.containers[0].model_copy(update={"id": "theirs", "name": "theirs"})
    )
    first.containers[-2].state = "exited"
    nothing: Any = SimpleNamespace(scenario=bridge, called={})
    shown = topology.now(there, HOSTS, made=topology.made_by(nothing, nothing))
    assert [network.name for network in shown.networks] == ["bridgenet1"]
    assert [(one.container, one.machine, one.network) for one in shown.tasks] == [
        ("bridge1", "machine1", "bridge"),
        ("bridge2", "machine1", "bridge"),
        ("bridge3", "machine1", "bridgenet1"),
        ("bridge5", "machine2", "bridge"),
    ]
    assert "bridge3" in pages.picture(shown)


def test_each_change_has_another_fingerprint_and_nothing_else_has(tmp_path: Path) -> None:
    typed = Typed(overlay, tmp_path)
    marks = [topology.fingerprint(shown) for shown in stages(typed)]
    assert marks[0] == marks[-1]
    assert len(set(marks)) == 4
    assert marks == [topology.fingerprint(shown) for shown in stages(typed)]


def test_the_vnis_of_a_plugins_networks_are_those_that_it_gave(tmp_path: Path) -> None:
    shown, names = seen(Typed(tunnel, tmp_path).exercise(3))
    assert names == {4096: "ingress", 12337385: "tunnel1"}
    assert shown.networks[0].vni == 12337385
    assert [task.network for task in shown.tasks] == ["tunnel1", "tunnel1"]


def test_tasks_on_no_network_of_their_own_and_roles_are_those_of_now(tmp_path: Path) -> None:
    found = stages(Typed(spread, tmp_path))
    assert all(not shown.networks for shown in found)
    assert {tasks(found[1])[0][2:]} == {("", "")}
    assert [len(shown.tasks) for shown in found][:3] == [0, 6, 6]
    roles = [[host.role for host in shown.hosts] for shown in found]
    assert roles[1] == ["manager", "worker", "worker"]
    assert roles[2] == ["manager", "worker, drain", "worker"]
    assert roles[5] == ["manager", "manager", "manager"]
    assert roles[6] == ["worker", "manager", "manager"]


def world(name: str = "net1", service: str = "web1") -> World:
    """A task of the service in the network on the first of two machines."""
    networks = [
        Network(id="i1", name=name, driver="overlay", scope="swarm", subnets=["10.1.0.0/24"]),
        Network(id="i2", name="other", driver="overlay", scope="swarm"),
        Network(id="i3", name="ingress", driver="overlay", scope="swarm", ingress=True),
        Network(id="i4", name="docker_gwbridge", driver="bridge", scope="local"),
    ]
    engines = {
        f"machine{n}": Engine(
            machine=f"machine{n}",
            hostname=f"machine{n}",
            swarm="active",
            version="28.5.2",
            node=f"n{n}",
            manager=n == 1,
            networks=networks,
        )
        for n in (1, 2)
    }
    engines["machine1"].containers = [
        Container(
            name="web1.1.abc",
            image="alpine",
            state="running",
            service=service,
            addresses={"i1": "10.1.0.3", "i2": "10.2.0.3", "i3": "10.0.0.3", "i4": "172.19.0.3"},
        ),
        Container(name="web1.1.old", image="alpine", state="exited", service=service),
        Container(name="mine", image="alpine", state="running", addresses={"i1": "10.1.0.9"}),
        Container(name="of.1.x", image="alpine", state="running", service="of-another-swarm"),
    ]
    nodes = [
        Node(id="n1", hostname="machine1", role="manager", availability="active", state="ready"),
        Node(id="n2", hostname="machine2", role="worker", availability="drain", state="down"),
    ]
    services = [Service(id="s1", name=service, image="alpine", networks=["i1", "i2"])]
    return World(engines=engines, nodes=nodes, services=services)


def test_only_this_swarms_networks_and_the_running_tasks_of_its_services_are_shown() -> None:
    shown = topology.now(world(), HOSTS)
    assert [network.name for network in shown.networks] == ["net1", "other"]
    assert tasks(shown) == [
        ("web1", "machine1", "net1", "10.1.0.3"),
        ("web1", "machine1", "other", "10.2.0.3"),
    ]
    assert [(host.role, host.engine) for host in shown.hosts] == [
        ("manager", "28.5.2"),
        ("worker, drain, down", "28.5.2"),
    ]


def test_a_machine_that_has_left_the_swarm_is_said_to_be_in_none() -> None:
    left = world()
    left.engines["machine2"].node = ""
    assert [host.role for host in topology.now(left, HOSTS).hosts] == ["manager", "in no swarm"]


@pytest.mark.parametrize("where", ["network", "service", "host", "seen", "id"])
def test_names_are_escaped_in_the_picture_whatever_they_are(where: str) -> None:
    """A swarm takes only parts of DNS names (a machine's own networks have any name), but who
    draws must not depend on that."""
    shown = topology.now(
        world(
            EVIL if where == "network" else "net1",
            EVIL if where == "service" else "web1",
        ),
        HOSTS,
    )
    if where == "host":
        shown.hosts[0].name = shown.tasks[0].machine = EVIL
    html = pages.picture(
        shown, EVIL if where == "seen" else "", EVIL if where == "id" else "topology"
    )
    root = ET.fromstring(html)  # noqa: S314 - it is our own
    assert root.tag == "figure"
    allowed = {"figure", "svg", "title", "desc", "polyline", "rect", "text"}
    assert {element.tag for element in root.iter()} <= allowed
    assert "<script" not in html
    assert "\u202e" not in html
    said = "".join(root.itertext()) + "".join(e.get("id", "") for e in root.iter())
    assert "<script>alert('1')" in said


def test_the_picture_is_the_one_of_a_report(tmp_path: Path) -> None:
    typed = Typed(overlay, tmp_path)
    shown = stages(typed)[3]
    record = typed.exercise(3).report(tmp_path / "report")
    record.topology = shown
    assert pages.picture(shown) in pages.report_html(record)


def test_a_long_name_stays_within_its_host() -> None:
    shown = topology.now(world("n" * 250, "s" * 63), HOSTS)
    assert "s" * 63 in pages.picture(shown)  # in the description, whole
    for text in ET.fromstring(pages.picture(shown)).iter("text"):  # noqa: S314
        assert len(text.text or "") < 130
