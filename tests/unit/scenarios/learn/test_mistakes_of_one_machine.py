"""Mistakes with what one machine has alone: its networks, and containers of `docker run`."""

from __future__ import annotations

import pytest

from scenarios.attachable import attachable
from scenarios.bridge import bridge
from scenarios.dnsrr import dnsrr
from scenarios.kit.scenario import Scenario
from scenarios.learn import aims
from scenarios.learn.mistakes import find
from scenarios.learn.mistakes.mistake import Case, Mistake
from scenarios.learn.world import Container, World
from scenarios.macvlan import macvlan
from tests.unit.scenarios.learn import typed_right
from tests.unit.scenarios.learn.typed_right import aims_of, done


def before(scenario: Scenario, number: str) -> World:
    """The lab when all steps before one are done."""
    world = typed_right.empty()
    for step, aim in aims_of(scenario).items():
        if step == number:
            break
        done(aim, world)
    return world


def seen(scenario: Scenario, number: str, world: World) -> Mistake:
    wanted = aims_of(scenario)
    all_of_them = tuple(wanted.values())
    assert find.mistake(wanted[number], Case(before(scenario, number), {}, all_of_them)) is None
    found = find.mistake(wanted[number], Case(world, {}, all_of_them))
    assert found is not None
    return found


def network(scenario: Scenario, number: str) -> aims.Network:
    aim = aims_of(scenario)[number]
    assert isinstance(aim, aims.Network)
    return aim


def run(world: World, scenario: Scenario, number: str, **more: object) -> Container:
    """Run the step's container, otherwise than the exercise does."""
    aim = aims_of(scenario)[number]
    assert isinstance(aim, aims.Container)
    one = typed_right.container(aim, world, **more)
    world.engines[aim.place].containers.append(one)
    return one


# -- networks -------------------------------------------------------------------------------------


def test_a_network_of_another_driver() -> None:
    world, aim = before(bridge, "5"), network(bridge, "5")
    world.engines["machine1"].networks.append(
        typed_right.network(aim, driver="overlay", scope="swarm")
    )
    found = seen(bridge, "5", world)
    assert found.name == "another driver"
    assert found.says == ("The driver of bridgenet1 is overlay: the exercise gives it `-d bridge`.")


def test_a_network_on_another_machine() -> None:
    world, aim = before(bridge, "5"), network(bridge, "5")
    world.engines["machine2"].networks.append(typed_right.network(aim))
    found = seen(bridge, "5", world)
    assert (found.name, found.on) == ("created on another machine", "machine2")
    assert "swarm" not in found.says


def test_of_two_machines_each_has_its_own() -> None:
    world, aim = before(macvlan, "3"), network(macvlan, "3")
    world.engines["machine2"].networks.append(typed_right.network(aim, subnets=["10.9.0.0/24"]))
    found = seen(macvlan, "3", world)
    assert (found.name, found.on) == ("another subnet", "machine2")
    world = before(macvlan, "3")
    world.engines["machine2"].networks.append(typed_right.network(aim, name="mine"))
    found = seen(macvlan, "3", world)
    assert (found.name, found.on, found.undo) == (
        "another name",
        "machine2",
        "docker network rm mine",
    )


def test_a_network_that_containers_may_not_join() -> None:
    world, aim = before(attachable, "1"), network(attachable, "1")
    world.engines["machine1"].networks.append(typed_right.network(aim, attachable=False))
    assert seen(attachable, "1", world).name == "not attachable"


# -- containers -----------------------------------------------------------------------------------


def test_a_container_of_another_name_can_be_given_the_exercises() -> None:
    world = before(attachable, "3")
    run(world, attachable, "3", name="second")
    found = seen(attachable, "3", world)
    assert (found.name, found.on) == ("another name", "machine2")
    assert found.undo == "docker rename second attach2"
    assert found.says.startswith("There is a container second on machine2 where the exercise has")


def test_somebody_elses_container_on_the_default_network_is_none_of_the_exercises() -> None:
    world = before(bridge, "2")
    run(world, bridge, "2", name="theirs")
    assert find.mistake(aims_of(bridge)["2"], Case(world)) is None
    run(world, bridge, "2", name="brigde1")
    assert seen(bridge, "2", world).name == "another name"


def test_a_container_on_another_machine() -> None:
    world = before(attachable, "3")
    one = run(world, attachable, "3")
    world.engines["machine2"].containers, world.engines["machine3"].containers = [], [one]
    found = seen(attachable, "3", world)
    assert (found.name, found.on) == ("on another machine", "machine3")


def test_a_service_in_its_place() -> None:
    world = before(attachable, "2")
    world.services = [typed_right.service(aims.Service("attach1", ("attachnet1",), 1, "alpine"))]
    assert seen(attachable, "2", world).undo == "docker service rm attach1"


@pytest.mark.parametrize("state", ["exited", "created", "paused"])
def test_a_container_that_does_not_run(state: str) -> None:
    world = before(attachable, "2")
    run(world, attachable, "2", state=state)
    found = seen(attachable, "2", world)
    assert found.name == "the container does not run"
    assert ("`-t`" in found.says) is (state == "exited")


def test_a_container_on_another_network() -> None:
    world = before(attachable, "2")
    run(world, attachable, "2", addresses={"bridge@machine1": "172.17.0.2"})
    found = seen(attachable, "2", world)
    assert found.says == "attach1 is on bridge: in the exercise it is on attachnet1 alone."


def test_a_network_that_is_gone_or_lets_no_container_in() -> None:
    world = before(dnsrr, "3")
    networks = world.engines["machine1"].networks
    networks[-1].attachable = False
    found = seen(dnsrr, "3", world)
    assert found.name == "not attachable"
    assert "Remove dns1 and dnsnet1, and create it again with it." in found.says
    assert found.undo == "docker service rm dns1"
    networks.pop()
    assert seen(dnsrr, "3", world).name == "the network is gone"
