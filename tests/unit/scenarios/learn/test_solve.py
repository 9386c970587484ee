"""What is not done for the learner: on existing hosts, to remove what was there before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.support.errors import UserError
from scenarios.kit.scenario import Scenario
from scenarios.learn import solve
from scenarios.learn.look import Look, Seen
from scenarios.learn.progress import Progress
from scenarios.learn.world import World
from scenarios.macvlan import macvlan
from tests.unit.scenarios.learn import typed_right
from tests.unit.scenarios.learn.typed_right import aims_of, done


def all_made(scenario: Scenario) -> World:
    world = typed_right.empty()
    for plan in scenario.steps:
        if not plan.undoes and (aim := aims_of(scenario).get(plan.number)):
            done(aim, world)
    return world


@pytest.mark.parametrize(
    ("number", "before", "named"),
    [
        ("10", "id-mac2", "mac2"),
        ("11", "macnet1@machine1", "macnet1"),
        ("11", "macnet1@machine2", "macnet1"),
    ],
)
def test_what_was_there_before_the_first_look_is_not_removed_on_any_machine(
    number: str, before: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: Any = SimpleNamespace(existing=True, hosts=list)
    monkeypatch.setattr("provision.changes.journal.of_lab", lambda _: found)
    world = all_made(macvlan)
    steps = [Seen(plan, "open") for plan in macvlan.steps]
    context: Any = SimpleNamespace(waits=False, names=typed_right.NAMES)
    look = Look(steps, world, context, {}, aims_of(macvlan))
    progress = Progress(scenario="macvlan", swarm="", begun="", before=[before])
    progress.done = {plan.number: None for plan in macvlan.steps}  # type: ignore[misc]
    exercise: Any = SimpleNamespace(
        scenario=macvlan, setup=SimpleNamespace(lab=None), progress=progress
    )
    with pytest.raises(UserError, match=f"^{named} was there before the exercise") as refused:
        solve.solve(exercise, number, look)
    assert named in refused.value.advice
