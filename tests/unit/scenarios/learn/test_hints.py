"""Hints: the command with gaps tells what belongs where, and not what; the last has none left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.attachable import attachable
from scenarios.kit import discovery
from scenarios.kit.scenario import Scenario
from scenarios.learn.blanks import filled
from scenarios.learn.hints import GAP, commands, hint, with_gaps
from scenarios.learn.look import Look, Seen
from scenarios.learn.progress import Progress
from scenarios.learn.world import Container, Engine, Network, World
from tests.unit.scenarios.learn import typed_right
from tests.unit.scenarios.learn.typed_right import aims_of


@pytest.mark.parametrize(
    ("command", "gaps"),
    [
        (
            "docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1",
            "docker network create -d … --subnet … …",
        ),
        (
            "docker service create -t --replicas 1 --network n --name s --constraint node.id==x "
            "--no-resolve-image alpine:latest",
            "docker service create -t --replicas … --network … --name … --constraint … "
            "--no-resolve-image …",
        ),
        ("docker network create --driver=weave n", "docker network create --driver=… …"),
        ("docker service rm a b", "docker service rm … …"),
        ("docker service scale a=9", "docker service scale …"),
        ("docker ps\ndocker inspect t", "docker ps\ndocker inspect …"),
        # What the book leaves blank may have an apostrophe.
        ("docker exec web1 ping <bridge3's address>", "docker exec … … …"),
        ("docker exec <web1 task> ping tasks.app1", "docker exec … … …"),
        ("docker exec -it t /bin/sh, then: ping web2", "docker exec -it … …\nping …"),
        ("sudo systemctl restart docker", "sudo systemctl … …"),
        ("inv fault.mtu machine2 --for 900", "inv fault.mtu …"),
    ],
)
def test_values_become_gaps(command: str, gaps: str) -> None:
    assert with_gaps(command) == gaps


@pytest.mark.parametrize("scenario", discovery.found().values(), ids=lambda one: one.name)
def test_every_step_has_a_command_with_gaps(scenario: Scenario) -> None:
    for plan in scenario.steps:
        for text in (plan.run, plan.book):
            gaps = with_gaps(text)
            assert len(gaps.splitlines()) == len(commands(text)), plan.number
            assert not gaps.startswith(GAP), plan.number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("docker ps", ["docker ps"]),
        ("docker ps\ndocker inspect t", ["docker ps", "docker inspect t"]),
        (
            "docker exec -it t /bin/sh, then: ping alpine-overlay1",
            ["docker exec -it t /bin/sh", "ping alpine-overlay1"],
        ),
        (
            "docker service rm a, docker service rm b",
            ["docker service rm a", "docker service rm b"],
        ),
        ("docker node ls --filter name=a,b", ["docker node ls --filter name=a,b"]),
        ("", []),
    ],
)
def test_each_command_of_a_step_stands_alone(text: str, found: list[str]) -> None:
    assert commands(text) == found


def test_a_command_that_sets_a_mistake_right_is_all_there_is_to_type() -> None:
    """Who runs the step's own command after it would be told that the name is in use."""
    lab = typed_right.empty()
    for number in ("1", "2"):
        typed_right.done(aims_of(attachable)[number], lab)
    ran = lab.engines["machine1"].containers[0]
    steps = [Seen(plan, "open") for plan in attachable.steps]
    context: Any = SimpleNamespace(names=typed_right.NAMES)
    machines = {place: SimpleNamespace(name=f"lab-{place}") for place in typed_right.PLACES}
    exercise: Any = SimpleNamespace(
        progress=Progress(scenario="attachable", swarm="", begun=""),
        kept=SimpleNamespace(save=lambda progress, **_: progress),
        setup=SimpleNamespace(lab=SimpleNamespace(name="book"), provider="libvirt"),
        machines=machines,
        machines_of=lambda plan: [machines[place] for place in plan.on],
    )

    def third() -> tuple[str, tuple[str, ...], str]:
        look = Look(steps, lab, context, {}, aims_of(attachable))
        given = hint(exercise, look, steps[1], 3)
        return given.command, given.machines, given.undo

    ran.name = "mine"
    assert third() == ("docker rename mine attach1", ("lab-machine1",), "")
    ran.name, ran.state = "attach1", "exited"
    command, machines_, undo = third()
    assert command.startswith("docker run -d -t --name attach1")
    assert (machines_, undo) == (("lab-machine1",), "docker rm -f attach1")


# -- blanks of the book ---------------------------------------------------------------------------

MACHINES: Any = {f"machine{n}": SimpleNamespace(address=f"192.0.2.{n}") for n in (1, 2)}


def container(name: str, service: str = "", **addresses: str) -> Container:
    return Container(
        name=name, image="alpine", state="running", service=service, addresses=addresses
    )


def world() -> World:
    first, second = (
        Engine(machine=f"host{n}", hostname=f"h{n}", swarm="active", manager=n == 1) for n in (1, 2)
    )
    first.networks = [
        Network(id=id_, name=name, driver="overlay", scope="swarm")
        for id_, name in (("i1", "front"), ("i2", "back"))
    ]
    first.containers = [
        container("web.1.x", "web", i1="10.0.1.2"),
        container("box1", i3="10.3.0.2"),
        container("twice", i3="10.3.0.4"),
    ]
    second.containers = [
        container("app.1.y", "app", i1="10.0.1.3", i2="10.0.2.3"),
        container("twice", i3="10.3.0.3"),
    ]
    return World(engines={"machine1": first, "machine2": second})


@pytest.mark.parametrize(
    ("text", "on", "whole"),
    [
        ("docker exec <web task> ping <box1's address>", 1, "docker exec web.1.x ping 10.3.0.2"),
        ("docker exec <task> ping x", 2, "docker exec app.1.y ping x"),
        ("ping <app's address in back>", 1, "ping 10.0.2.3"),
        ("ping <the second machine's address>", 1, "ping 192.0.2.2"),
        # On another machine, in two networks, twice there, and not there.
        ("docker exec <web task> ps", 2, "docker exec <web task> ps"),
        ("ping <app's address>", 1, "ping <app's address>"),
        ("ping <twice's address>", 1, "ping <twice's address>"),
        ("ping <gone's address>", 1, "ping <gone's address>"),
    ],
)
def test_blanks_are_filled_in_where_only_one_thing_can_be_meant(
    text: str, on: int, whole: str
) -> None:
    assert filled(text, world(), MACHINES, (f"machine{on}",)) == whole


@pytest.mark.parametrize("scenario", discovery.found().values(), ids=lambda one: one.name)
def test_every_blank_of_a_book_is_one_that_can_be_filled_in(scenario: Scenario) -> None:
    """But those of exercise 6.05, which are the book's own words."""
    everything = World(
        engines={
            place: Engine(
                machine=place,
                hostname=place,
                swarm="active",
                manager=place == "machine1",
                networks=[
                    Network(id=name, name=name, driver="overlay", scope="swarm")
                    for name in (*scenario.networks, "bridge")
                ],
                containers=[
                    *(container(f"{one}.1.x", one) for one in scenario.services),
                ],
            )
            for place in ("machine1", "machine2")
        }
    )
    for name in (*scenario.services, *scenario.containers):
        one = container(name, **dict.fromkeys(scenario.networks or ("bridge",), "10.0.0.9"))
        everything.engines["machine1"].containers.append(one)
    for plan in scenario.steps:
        if scenario.name == "weave" and plan.number.startswith(("7", "8")):
            continue
        if "<" in plan.book:
            assert "<" not in filled(plan.book, everything, MACHINES, plan.on), plan.number
