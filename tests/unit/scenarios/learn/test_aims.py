"""What the exercises' commands are to bring about, read from the commands."""

from __future__ import annotations

import pytest

from scenarios.bridge import bridge
from scenarios.dnsrr import dnsrr
from scenarios.kit import discovery
from scenarios.kit.scenario import Scenario
from scenarios.learn import aims
from scenarios.macvlan import macvlan
from scenarios.networks import networks
from scenarios.overlay import overlay
from scenarios.spread import spread
from scenarios.weave import weave
from tests.unit.scenarios.learn.typed_right import aims_of


def test_the_overlay_exercise() -> None:
    one = aims.Service("alpine-overlay1", ("overlaynet1",), 1, "alpine:latest", "n1")
    two = aims.Service("alpine-overlay2", ("overlaynet1",), 1, "alpine:latest", "n2")
    assert aims_of(overlay) == {
        "5": aims.Network("overlaynet1", "overlay", "172.45.0.0/16"),
        "7": one,
        "8": two,
        "16": aims.Removal(services=("alpine-overlay1", "alpine-overlay2")),
        "17": aims.Removal(networks=("overlaynet1",), places=("machine1",)),
    }


def test_the_exercise_over_a_plugin() -> None:
    found = aims_of(weave)
    assert found["1"] == aims.Plugin("weave:2", ("machine1",), there=True)
    assert found["3"] == aims.Network("weavenet1", "weave:2", "10.1.1.0/24", "10.1.1.1")
    assert found["6b"] == aims.Service(
        "alpine-weavenet2", ("weavenet1",), 1, "alpine:latest", "n2", "dnsrr"
    )
    assert found["9c"] == aims.Plugin("weave:2", ("machine1", "machine2"), there=False)


def test_the_spreading_of_tasks() -> None:
    found = aims_of(spread)
    assert found["2"] == aims.Service("spread1", (), 6, "alpine:latest")
    assert found["3"] == aims.Availability("n2", "drain")
    assert found["6"] == aims.Roles(("n2", "n3"), "manager")
    assert found["7"] == aims.Roles(("n1",), "worker")
    assert found["8"] == aims.Scale("spread1", 9)


def test_what_is_not_known_yet_is_no_aim() -> None:
    plan = next(plan for plan in spread.steps if plan.number == "2")
    assert aims.aim_of(plan, {"image": "alpine:latest"}) is None


@pytest.mark.parametrize("scenario", discovery.found().values(), ids=lambda one: one.name)
def test_every_step_that_makes_or_removes_something_has_an_aim(scenario: Scenario) -> None:
    """A command that changes something and is not understood would have no hint of its own."""
    changing = (" run ", " create ", " rm ", " scale ", " promote ", " demote ", "--availability")
    found = aims_of(scenario)
    for plan in scenario.steps:
        if any(word in plan.run for word in changing):
            assert plan.number in found, plan.run


def test_containers_and_networks_of_one_machine() -> None:
    found = aims_of(macvlan)
    assert found["2"] == aims.Network("macnet1", "macvlan", "10.77.0.0/24")
    assert found["3"] == aims.Network("macnet1", "macvlan", "10.77.0.0/24", place="machine2")
    assert found["5"] == aims.Container("mac2", "macnet1", "alpine:latest", "machine2")
    assert found["10"] == aims.Removal(containers=("mac2",), places=("machine2",))
    assert aims_of(bridge)["2"] == aims.Container("bridge1", "bridge", "alpine:latest", "machine1")


def test_what_comes_after_the_image_is_the_tasks_own_command() -> None:
    assert aims_of(dnsrr)["1"] == aims.Network(
        "dnsnet1", "overlay", "10.46.4.0/24", attachable=True
    )
    assert aims_of(dnsrr)["2"] == aims.Service(
        "dns1", ("dnsnet1",), 2, "alpine:latest", "", "dnsrr"
    )
    assert aims_of(networks)["5"] == aims.Service(
        "app1", ("frontnet1", "backnet1"), 1, "alpine:latest", "n2"
    )
