"""Exercises typed by hand over plain ssh: each step turns from open to done at its command."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator

import pytest

from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import rebuild, running, up
from provision.support.errors import CheckFailed, UserError
from scenarios.cli import learn
from scenarios.learn.mistakes.mistake import Mistake
from scenarios.learn.solve import solve
from scenarios.learn.watch import looks
from scenarios.overlay import overlay
from scenarios.record import store
from scenarios.spread import SERVICE, spread
from tests.hosts import mistakes
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.mistakes import CREATE, PLANTED, Planted
from tests.hosts.typed import (
    FIRST,
    REMOVE,
    REMOVE_NETWORK,
    SECOND,
    Learner,
    Typed,
    bring_to,
    gone,
)
from tests.support.progress import quiet
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import tunnel


@pytest.fixture
def learner(lab: Lab, two_hosts: list[Host]) -> Iterator[Learner]:
    one = Learner(lab, two_hosts, overlay)
    one.forget()
    yield one
    one.forget()


def test_each_step_is_done_at_its_command_and_at_no_other(learner: Learner) -> None:
    bring_to(learner, "5")
    learner.forget()
    stages = learner.follow(
        {"1", "2", "3", "4"},
        [
            Typed(CREATE, {"5", "6"}),
            Typed(FIRST, {"7", "9", "10"}),
            Typed(SECOND, {"8", "11", "12", "13", "14", "15"}),
            Typed(REMOVE, {"16"}),
            Typed(REMOVE_NETWORK, {"17"}),
        ],
    )
    learner.keep(stages, roots.TAG)


def test_a_learners_own_names_are_followed_and_told(
    learner: Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_to(learner, "5")
    learner.types(CREATE.replace("overlaynet1", "mynet"))
    first, second = (
        mistakes.service(number, name=name, network="--network mynet")
        for number, name in ((1, "left"), (2, "right"))
    )
    learner.types(first)
    learner.wait_for("7", "9", "10")
    learner.types(second)
    learner.wait_for("8", "14", "15")
    learn.check(running.viewed, str(learner.lab.file), "overlay")
    said = capsys.readouterr().out
    assert "You have called it mynet, where the exercise says overlaynet1: that is fine" in said
    learner.types("docker service rm left right")
    learner.wait_for("16")
    learner.types("docker network rm mynet")
    learner.wait_for("17")


@pytest.mark.parametrize(
    "planted", PLANTED, ids=[f"{one.at}-{n}-{one.name}" for n, one in enumerate(PLANTED)]
)
def test_a_planted_mistake_is_recognized_and_its_command_takes_it_back(
    learner: Learner, planted: Planted
) -> None:
    bring_to(learner, planted.at)
    assert learner.mistake(planted.at) is None
    for on, command in planted.typed:
        learner.types(command, on)
    for on, command in planted.refused:
        assert learner.tries(command, on)
    seen: list[Mistake | None] = []

    def recognized() -> bool:
        seen.append(learner.mistake(planted.at))
        return seen[-1] is not None and seen[-1].name == planted.name

    try:
        wait_for(planted.name, recognized, 60)
    finally:
        if (found := seen[-1]) and found.undo:
            learner.types(found.undo, int(found.on.removeprefix("machine")))
        for on, command in planted.undo:
            learner.types(command, on)
    if not planted.refused:
        wait_for("the mistake is taken back", lambda: learner.mistake(planted.at) is None, 60)


def test_nothing_is_left_of_the_mistakes(learner: Learner) -> None:
    bring_to(learner, "5")
    assert learner.mistake("5") is None


# -- what is done for the learner ------------------------------------------------------------------


def test_a_step_is_done_for_the_learner_and_those_before_another(
    learner: Learner, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_to(learner, "5")
    file = str(learner.lab.file)
    with pytest.raises(UserError, match=r"^Step 7 needs step 5, which is not done\.$"):
        learn.solve(running.opened, file, "overlay", "7")
    for earlier in learner.lab.reports.glob("*-overlay"):
        shutil.rmtree(earlier)
    learn.solve(running.opened, file, "overlay", "5")
    assert learner.has("network", "overlaynet1")
    assert not learn.check(running.viewed, file, "overlay")
    learn.catch_up(running.opened, rebuild.to_ready, file, "overlay", "16")
    assert {"7", "8", "14", "15"} <= learner.done()
    capsys.readouterr()
    learn.hint(running.viewed, file, "overlay", stage=3)
    assert "$ docker service rm alpine-overlay1 alpine-overlay2" in capsys.readouterr().out
    learner.types(REMOVE)
    learner.wait_for("16")
    learner.types(REMOVE_NETWORK)
    learner.wait_for("17")
    capsys.readouterr()
    assert learn.check(running.viewed, file, "overlay")
    said = capsys.readouterr().out
    assert "All 17 steps are done." in said
    (report,) = learner.lab.reports.glob("*-overlay")
    record = store.load(report)
    assert record.verdict == "passed"
    assert [step.number for step in record.steps] == [plan.number for plan in overlay.steps]
    assert all(
        (report / document.file).is_file() for step in record.steps for document in step.documents
    )
    assert [network.name for network in record.topology.networks] == ["overlaynet1"]
    assert len(record.topology.tasks) == 2
    assert record.topology.networks[0].mtu


def test_what_was_there_before_the_exercise_is_not_removed_for_the_learner(
    learner: Learner,
) -> None:
    bring_to(learner, "5")
    learner.types(CREATE)
    learner.forget()
    learner.wait_for("5", "6")
    with pytest.raises(UserError, match="was there before the exercise was first looked at"):
        learn.solve(running.opened, str(learner.lab.file), "overlay", "17")
    assert learner.has("network", "overlaynet1")
    gone(learner, "network", "overlaynet1")


def test_a_mistake_in_the_way_of_a_step_is_told_and_not_removed(learner: Learner) -> None:
    bring_to(learner, "5")
    learner.types("docker network create --subnet 172.45.0.0/16 overlaynet1")
    with pytest.raises(CheckFailed, match="Step 5 is not done") as told:
        learn.solve(running.opened, str(learner.lab.file), "overlay", "5")
    assert "docker network rm overlaynet1" in told.value.advice
    assert learner.has("network", "overlaynet1")
    gone(learner, "network", "overlaynet1")


# -- watching --------------------------------------------------------------------------------------


def test_a_watch_sees_each_step_by_itself_and_leaves_nothing_on_the_hosts(
    learner: Learner,
) -> None:
    bring_to(learner, "5")
    with learner.exercise() as exercise:
        seen = looks(exercise, lambda _: None)

        def until(number: str) -> None:
            for look in seen:
                done = {one.plan.number for one in look.steps if one.state == "done"}
                if number in done:
                    return

        until("4")
        listening = ("pgrep", "-fc", "^docker events")
        assert [host.exec(*listening).stdout.strip() for host in learner.hosts] == ["1", "1"]
        # An engine that goes and comes again is listened to again.
        learner.hosts[1].exec("systemctl", "restart", "docker")
        for command, number in (
            (CREATE, "6"),
            (FIRST, "10"),
            (SECOND, "15"),
            (REMOVE, "16"),
            (REMOVE_NETWORK, "17"),
        ):
            learner.types(command)
            until(number)
        assert next(seen, None) is None
    for host in learner.hosts:
        wait_for(
            f"nobody listens on {host.name}",
            lambda host=host: host.exec(*listening, check=False).returncode == 1,  # type: ignore[misc]
        )


# -- the other exercises ---------------------------------------------------------------------------


def test_the_exercise_over_a_plugin_is_typed(lab: Lab, two_hosts: list[Host]) -> None:
    settings = package.settings(host.address for host in two_hosts)
    plugin = PluginSpec(package.NAME, package.archive(), settings=settings)
    learner = Learner(dataclasses.replace(lab, weave=plugin), two_hosts, tunnel)
    first, second = tunnel.services
    (name,) = tunnel.networks
    # A plugin from an archive is brought by Swarmrig: the book's command needs a registry.
    with learner.exercise(hold=True) as exercise:
        solve(exercise, "1", exercise.look())
    stages = learner.follow(
        {"1", "2"},
        [
            Typed(
                f"docker network create --driver={package.NAME} --subnet 10.1.1.0/24 "
                f"--gateway 10.1.1.1 {name}",
                {"3", "4"},
            ),
            Typed(service(first, name, 1), {"6a", "7a"}),
            Typed(service(second, name, 2), {"5", "6b", "7b", "8a", "8b"}),
            Typed(f"docker service rm {first} {second}", {"9a"}),
            Typed(f"docker network rm {name}", {"9b"}),
        ],
    )
    learner.keep(stages, roots.TAG)
    with learner.exercise(hold=True) as exercise:
        solve(exercise, "9c", exercise.look())
        assert exercise.progress.is_done("9c")
        exercise.kept.reset()


def service(name: str, network: str, number: int) -> str:
    return (
        f"docker service create -d -t --network {network} --name {name} --endpoint-mode dnsrr "
        f"--constraint node.hostname==machine{number} --no-resolve-image {roots.TAG}"
    )


def test_the_spreading_of_tasks_is_typed(
    two_hosts: list[Host], fabric: Fabric, lab_of: Labs
) -> None:
    (third,) = fabric.add("machine3")
    third.load_image()
    try:
        lab = lab_of([*two_hosts, third])
        up.up(lab, quiet())
        learner = Learner(lab, [*two_hosts, third], spread)
        again = f"docker service update -d --force --update-parallelism 0 {SERVICE}"
        stages = learner.follow(
            {"1"},
            [
                Typed(
                    "docker service create -d -t --replicas 6 --stop-grace-period 1s "
                    f"--name {SERVICE} --no-resolve-image {roots.TAG}",
                    {"2"},
                ),
                Typed("docker node update --availability drain machine2", {"3"}),
                Typed("docker node update --availability active machine2", {"4"}),
                Typed(again, {"5"}),
                Typed("docker node promote machine2 machine3", {"6"}),
                Typed("docker node demote machine1", {"7"}, on=2),
                Typed(f"docker service scale -d {SERVICE}=9", {"8"}, on=2),
                Typed("docker node promote machine1", {"9"}, on=2),
                Typed(f"docker service rm {SERVICE}", {"10"}),
            ],
        )
        learner.keep(stages, roots.TAG)
        learner.forget()
    finally:
        fabric.remove(third)
