"""Mistakes recognized in what the engines have; tests/hosts plants the likeliest as well."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.learn import aims, explain
from scenarios.learn.look import Look, Seen, State
from scenarios.learn.mistakes import find
from scenarios.learn.mistakes.mistake import Case
from scenarios.learn.world import Container, Engine, Network, Node, Service, Task, World
from scenarios.wrong_clock import wrong_clock

NETWORK = aims.Network("net1", "overlay", "10.1.0.0/24", "10.1.0.1")
FIRST = aims.Service("web1", ("net1",), 1, "alpine:latest", "n1")
SECOND = aims.Service("web2", ("net1",), 1, "alpine:latest", "n2")
AIMS = (NETWORK, FIRST, SECOND)


def net(**more: object) -> Network:
    right = {
        "id": "i1",
        "name": "net1",
        "driver": "overlay",
        "scope": "swarm",
        "subnets": ["10.1.0.0/24"],
        "gateways": ["10.1.0.1"],
    }
    return Network.model_validate({**right, **more})


def service(name: str, node: str, **more: object) -> Service:
    right = {
        "id": f"s-{name}",
        "name": name,
        "image": "alpine:latest",
        "networks": ["i1"],
        "replicas": 1,
        "terminal": True,
        "tasks": [Task(node=node, state="running", wanted="running")],
    }
    return Service.model_validate({**right, **more})


def right(**more: object) -> World:
    """Both services run where they belong."""
    engines = {
        f"machine{n}": Engine(
            machine=f"machine{n}", hostname=f"h{n}", swarm="active", node=f"n{n}", manager=n == 1
        )
        for n in (1, 2)
    }
    engines["machine1"].networks = [net()]
    nodes = [
        Node(
            id=f"n{n}",
            hostname=f"h{n}",
            role="manager" if n == 1 else "worker",
            availability="active",
            state="ready",
        )
        for n in (1, 2)
    ]
    there = World(
        engines=engines, nodes=nodes, services=[service("web1", "n1"), service("web2", "n2")]
    )
    return there.model_copy(update=dict(more))


def name_of(aim: aims.Aim | None, world: World) -> str:
    found = find.mistake(aim, Case(world, {}, AIMS))
    return found.name if found else ""


@pytest.mark.parametrize(
    "aim",
    [
        *AIMS,
        None,
        aims.Removal(services=("web1", "web2")),
        aims.Scale("web1", 3),
        aims.Availability("n2", "drain"),
        aims.Roles(("n2",), "manager"),
        aims.Plugin("weave:2", ("machine1",), there=True),
        aims.Plugin("weave:2", ("machine1",), there=False),
    ],
    ids=str,
)
def test_in_a_right_lab_there_is_none(aim: aims.Aim | None) -> None:
    assert name_of(aim, right()) == ""


def test_another_gateway() -> None:
    world = right()
    world.engines["machine1"].networks = [net(gateways=["10.1.0.9"])]
    assert name_of(NETWORK, world) == "another gateway"


def test_the_network_of_a_service_is_gone() -> None:
    world = right(services=[])
    world.engines["machine1"].networks = []
    assert name_of(FIRST, world) == "the network is gone"


def test_a_machine_in_no_swarm_or_in_one_of_its_own_or_down() -> None:
    world = right()
    world.engines["machine2"].swarm = "inactive"
    assert name_of(None, world) == "in no swarm"
    world = right()
    world.engines["machine2"].node = "elsewhere"
    assert name_of(None, world) == "in another swarm"
    world = right()
    world.nodes[1].state = "down"
    assert name_of(None, world) == "a node is down"


def looked_at(world: World, state: State) -> Look:
    """A look at the exercise about a wrong clock, whose step that breaks it has a state."""
    nothing: Any = None
    steps = [Seen(plan, state if plan.breaks else "open") for plan in wrong_clock.steps]
    return Look(steps, world, nothing, {}, {})


def test_nodes_that_an_exercise_has_made_fail_are_no_mistake_until_they_are_back() -> None:
    world = right()
    world.engines["machine2"].swarm = "error"
    world.engines["machine2"].node = ""  # an engine that cannot join says no more of itself
    world.nodes[1].state = "down"
    expected: dict[State, str] = {"open": "in another swarm", "done": ""}
    for state, name in expected.items():
        look = looked_at(world, state)
        found = explain.mistake(look, look.steps[6])
        assert (found.name if found else "") == name


def test_another_node_is_drained() -> None:
    world = right()
    world.nodes[0].availability = "drain"
    assert name_of(aims.Availability("n2", "drain"), world) == "another node"


def test_one_of_two_nodes_has_the_role() -> None:
    assert name_of(aims.Roles(("n1", "n2"), "manager"), right()) == "a node is left"


def test_a_plugin_that_is_disabled_or_on_some_nodes_only_or_left() -> None:
    wanted = aims.Plugin("weave:2", ("machine2",), there=True)
    world = right()
    world.engines["machine2"].plugins = {"weave:2": False}
    assert name_of(wanted, world) == "the plugin is disabled"
    world = right()
    world.engines["machine1"].plugins = {"weave:2": True}
    assert name_of(wanted, world) == "the plugin is on some nodes only"
    gone = aims.Plugin("weave:2", ("machine1", "machine2"), there=False)
    assert name_of(gone, world) == "a plugin is left"


def test_a_service_is_scaled_to_another_number_or_gone() -> None:
    assert name_of(aims.Scale("web1", 3), right(services=[service("web1", "n1", replicas=2)])) == (
        "another number of tasks"
    )
    assert name_of(aims.Scale("web1", 3), right(services=[])) == "the service is gone"


def spread_over(first: int, second: int, **more: object) -> World:
    """A service without a constraint, with so many tasks on each of two nodes."""
    tasks = [
        Task(node=node, state="running", wanted="running")
        for node, count in (("n1", first), ("n2", second))
        for _ in range(count)
    ]
    return right(services=[service("web1", "", replicas=first + second, tasks=tasks, **more)])


def test_tasks_that_were_placed_while_a_node_was_not_ready_are_spread_again() -> None:
    anywhere = aims.Service("web1", ("net1",), 4, "alpine:latest")
    for aim in (anywhere, aims.Scale("web1", 4)):
        assert name_of(aim, spread_over(2, 2)) == ""
        assert name_of(aim, spread_over(3, 1)) == "spread unevenly"
        assert name_of(aim, spread_over(4, 0)) == "spread unevenly"
        # Not all of them run yet.
        assert name_of(aim, spread_over(2, 1)) != "spread unevenly"
        # A constraint says where.
        assert name_of(aim, spread_over(4, 0, constraints=["node.role==manager"])) == ""
    assert name_of(aims.Scale("web1", 3), spread_over(2, 1)) == ""


def test_they_are_spread_again_from_a_manager() -> None:
    world = spread_over(3, 1)
    world.engines["machine1"].manager = False
    world.engines["machine2"].manager = True
    found = find.mistake(aims.Scale("web1", 4), Case(world))
    assert found is not None
    assert found.on == "machine2"
    assert found.undo == "docker service update --force --update-parallelism 0 web1"
    assert "3 on machine1 and 1 on machine2" in found.says


def test_containers_are_stopping_after_their_services_are_gone() -> None:
    world = right(services=[])
    world.engines["machine2"].containers = [
        Container(name="web2.1.x", image="alpine", state="running", service="web2")
    ]
    aim = aims.Removal(services=("web1", "web2"))
    assert name_of(aim, world) == "containers are stopping"


def test_no_node_takes_the_task_without_a_constraint() -> None:
    pending = Task(node="", state="pending", wanted="running", error="insufficient resources")
    assert name_of(FIRST, right(services=[service("web1", "", tasks=[pending])])) == (
        "no node takes the task"
    )


def test_a_service_that_is_called_otherwise_is_no_mistake_where_it_is_followed() -> None:
    world = right(services=[service("left", "n1"), service("web2", "n2")])
    followed = Case(world, {"web1": "left"}, AIMS)
    assert find.mistake(FIRST, followed) is None
