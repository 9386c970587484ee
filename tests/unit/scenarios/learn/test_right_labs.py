"""Who does an exercise as it is written down hears of no mistake, in any order that it allows."""

from __future__ import annotations

import pytest

from scenarios.kit import discovery
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.learn import aims, names
from scenarios.learn.mistakes import find
from scenarios.learn.mistakes.mistake import Case, Mistake
from scenarios.learn.world import Network, Service, World
from tests.unit.scenarios.learn import typed_right
from tests.unit.scenarios.learn.typed_right import aims_of


def open_steps(scenario: Scenario, so_far: set[str]) -> list[StepPlan]:
    """The steps that can be done when so many are."""
    return [
        plan
        for plan in scenario.steps
        if plan.number not in so_far and so_far.issuperset((*plan.needs, *plan.undoes))
    ]


def mistakes(scenario: Scenario, world: World, so_far: set[str]) -> list[tuple[str, Mistake]]:
    """The mistakes that are seen in steps that can be done now, by the step's number. What is to
    be removed is looked at where that is the next step."""
    wanted = aims_of(scenario)
    case = Case(world, {}, tuple(wanted.values()))
    found = [
        (plan.number, find.mistake(wanted.get(plan.number), case))
        for at, plan in enumerate(open_steps(scenario, so_far))
        if at == 0 or not plan.undoes
    ]
    return [(number, mistake) for number, mistake in found if mistake]


ALL = sorted(discovery.found().values(), key=lambda one: one.name)


@pytest.mark.parametrize("last_first", [False, True], ids=["in order", "the last one first"])
@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.name)
def test_no_mistake_is_seen_where_there_is_none(scenario: Scenario, last_first: bool) -> None:
    world, wanted, so_far = typed_right.empty(), aims_of(scenario), set[str]()
    # What is made is made in either order; it is removed when all of it was there.
    makes = [one.number for one in scenario.steps if not one.undoes]
    while len(so_far) < len(scenario.steps):
        assert mistakes(scenario, world, so_far) == []
        assert names.found(wanted.values(), world, {}) == {}
        now = open_steps(scenario, so_far)
        now = [one for one in now if one.number in makes] or now
        plan = now[-1 if last_first else 0]
        if aim := wanted.get(plan.number):
            typed_right.done(aim, world)
        so_far.add(plan.number)
    assert world.services == []
    assert [one for engine in world.engines.values() for one in engine.containers] == []


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.name)
def test_networks_and_services_may_have_names_of_ones_own(scenario: Scenario) -> None:
    """Where nothing else of the exercise could be meant by them."""
    wanted = aims_of(scenario)
    for aim in wanted.values():
        if not isinstance(aim, (aims.Network, aims.Service)):
            continue
        if isinstance(aim, aims.Network) and not aim.subnet:
            continue
        world = typed_right.empty()
        for one in wanted.values():
            if one == aim:
                break
            if isinstance(one, (aims.Network, aims.Service)):
                typed_right.done(one, world)
        typed_right.done(aim, world)
        there: list[Network | Service] = [*world.services]
        there += [one for engine in world.engines.values() for one in engine.networks]
        own = [one for one in there if one.name == aim.name]
        if len(own) > 1:
            continue  # one of another machine has the exercise's name
        own[0].name = "mine"
        found = names.found(wanted.values(), world, {})
        assert found == {aim.name: "mine"}
        assert "You have called it mine, where the exercise says" in names.told(found)[0]
