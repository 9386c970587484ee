"""Names are not magic: what can be nothing else is taken for the exercise's."""

from __future__ import annotations

from scenarios.learn import names
from tests.unit.scenarios.learn.test_mistakes import AIMS, net, right, service


def test_a_network_is_recognized_by_driver_and_subnet() -> None:
    world = right(services=[])
    world.engines["machine1"].networks = [net(name="mynet", id="i1")]
    assert names.found(AIMS, world, {}) == {"net1": "mynet"}


def test_one_of_another_subnet_or_driver_is_not() -> None:
    world = right(services=[])
    world.engines["machine1"].networks = [
        net(name="mynet", subnets=["10.9.0.0/24"]),
        net(name="other", driver="bridge", scope="local"),
    ]
    assert names.found(AIMS, world, {}) == {}


def test_services_are_told_apart_by_where_their_tasks_run() -> None:
    world = right(services=[service("right", "n2"), service("left", "n1")])
    assert names.found(AIMS, world, {}) == {"web1": "left", "web2": "right"}


def test_where_two_could_be_meant_none_is_taken() -> None:
    world = right(services=[service("a", "n1"), service("b", "n1")])
    assert names.found(AIMS, world, {}) == {}


def test_the_exercises_own_name_comes_first() -> None:
    assert names.found(AIMS, right(), {"web1": "left"}) == {}


def test_a_name_is_still_known_when_the_service_is_gone() -> None:
    world = right(services=[])
    assert names.found(AIMS, world, {"web1": "left"}) == {"web1": "left"}


def test_whole_names_are_replaced_and_no_parts_of_others() -> None:
    called = {"net1": "mynet"}
    assert names.renamed("docker network rm net1 net10 a-net1", called) == (
        "docker network rm mynet net10 a-net1"
    )
