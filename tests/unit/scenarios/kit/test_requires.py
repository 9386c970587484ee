"""What a scenario needs is asked before anything is made, and what is missing is named."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.faults.kinds.partition import Partition
from provision.support.errors import MachineError, MachinesError, UserError
from scenarios.kit import discovery, requires, runner
from scenarios.kit.requires import Engine, Kernel, Machines, Managers, Probed
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup
from scenarios.record import store
from tests.unit.scenarios.test_runs_and_errors import nothing, setup

YES, NO = Kernel("yes", "true"), Kernel("teleport", "echo no such device >&2; false")


class Asked:
    """A machine whose shell is this host's; `unshare` runs what it is given without a namespace."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.commands: list[str] = []
        self._folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "unshare").write_text('#!/bin/sh\nshift\nexec "$@"\n')
        (folder / "unshare").chmod(0o755)

    def run_checked(self, command: str, timeout: float | None = None, sudo: bool = False) -> str:
        assert sudo
        self.commands.append(command)
        path = {"PATH": f"{self._folder}:/usr/bin:/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=path, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise MachineError(f"{self.name}: {done.stderr}")
        return done.stdout


def given(*roles: str, provider: str = "libvirt") -> requires.Given:
    machines: Any = [SimpleNamespace(role=role) for role in roles]
    return requires.Given("book", machines, provider)


def missing(needs: list[requires.Requirement], machines: list[Any], version: str) -> list[str]:
    infos = {machine.name: {"ServerVersion": version} for machine in machines}
    return requires.missing(needs, given("manager", "worker"), machines, infos, Probed())


def test_a_lab_with_too_few_machines_or_managers_is_refused_with_what_to_change() -> None:
    with pytest.raises(UserError, match="needs 3 machines; lab book has 2") as few:
        requires.refuse("s", [Machines(3)], given("manager", "worker"))
    assert "[[machines]]" in few.value.advice
    with pytest.raises(UserError, match="needs 3 managers; lab book has 1") as roles:
        requires.refuse("s", [Managers(3)], given("manager", "worker", "worker"))
    assert 'role = "manager"' in roles.value.advice
    requires.refuse("s", [Machines(2), Managers(2)], given("manager", "manager"))


def test_a_scenario_of_three_managers_has_no_more() -> None:
    """Those of five that it does not know would elect a leader without it."""
    need = Managers(3, exactly=True)
    assert need.of_lab(given(*["manager"] * 3, "worker")) == ""
    for there in (2, 5):
        said = need.of_lab(given(*["manager"] * there, "worker", "worker"))
        assert said == f"it needs exactly 3 managers; lab book has {there}"


@pytest.mark.parametrize(("managers", "left"), [(1, True), (2, False), (3, True), (4, True)])
def test_where_the_second_machine_is_lost_a_majority_of_managers_has_to_be_left(
    managers: int, left: bool
) -> None:
    said = requires.MAJORITY_LEFT.of_lab(given(*["manager"] * managers, "worker"))
    assert (said == "") is left


def test_who_loses_the_second_machine_says_that_a_majority_has_to_be_left() -> None:
    losing = {
        name
        for name, one in discovery.found().items()
        for plan in one.steps
        for fault in plan.breaks
        if fault.on == "machine2" and fault.kind in {"partition", "power-off", "freeze-daemon"}
        if not isinstance(fault, Partition) or not fault.others
    }
    assert losing >= {"failover", "frozen", "cut"}
    for name in losing:
        assert requires.MAJORITY_LEFT in discovery.get(name).needs, name


@pytest.mark.parametrize(
    ("provider", "why"),
    [("libvirt", ""), ("hosts", "existing hosts"), ("docker", "containers")],
)
def test_power_and_clock_are_those_of_virtual_machines(provider: str, why: str) -> None:
    for own in (requires.OWN_POWER, requires.OWN_CLOCK):
        said = own.of_lab(given("manager", provider=provider))
        assert (why in said) if why else not said


@pytest.mark.parametrize(
    ("version", "enough"),
    [("20.10.24+dfsg1", False), ("26.1.5+dfsg1", True), ("26.0.0", True), ("9.9", False)],
)
def test_versions_of_engines_are_compared_as_numbers(version: str, enough: bool) -> None:
    assert (Engine("26.0").of_engine(version) == "") is enough


def test_what_a_kernel_lacks_is_named_with_its_own_words(tmp_path: Path) -> None:
    machines = [Asked(f"machine{n}", tmp_path / str(n)) for n in (1, 2)]
    assert missing([YES, NO, Engine("26")], machines, "28.1") == [
        "the kernel of machine1 and machine2 has no teleport (no such device)"
    ]
    assert missing([YES], machines, "28.1") == []


def test_each_machine_is_asked_once_in_a_run(tmp_path: Path) -> None:
    machine: Any = Asked("machine1", tmp_path / "bin")
    probed = Probed()
    for _ in range(3):
        assert probed.lacking(machine, ["true"]) == {"true": ""}
    assert probed.lacking(machine, ["true", "false"]) == {"true": "", "false": "it said nothing"}
    assert len(machine.commands) == 2


def test_a_machine_that_cannot_be_asked_is_no_machine_that_lacks_it(tmp_path: Path) -> None:
    machine = Asked("machine1", tmp_path / "bin")
    (tmp_path / "bin" / "unshare").unlink()
    machine._folder = tmp_path / "none"
    broken = "command() { return 1; }\n"
    ask = machine.run_checked
    machine.run_checked = lambda text, *a, **k: ask(broken + text, *a, **k)  # type: ignore[method-assign]
    with pytest.raises(MachinesError, match="no unshare: install util-linux"):
        missing([YES], [machine], "28.1")


def test_a_kernel_that_could_not_be_asked_for_want_of_a_tool_does_not_lack_it(
    tmp_path: Path,
) -> None:
    absent = Kernel("netem", "PATH=/nowhere; tc qdisc add dev lo root netem delay 1ms")
    with pytest.raises(MachinesError, match="cannot be told: it has no tc") as caught:
        missing([absent], [Asked("machine1", tmp_path)], "26.1.5")
    assert "iproute-tc on Fedora" in caught.value.advice


def test_a_scenario_that_cannot_run_is_skipped_before_anything_is_made(tmp_path: Path) -> None:
    made: list[str] = []
    needy = Scenario(
        "s",
        exercise="-",
        title="t",
        summary="s",
        requires=(Engine("99"),),
        restore=lambda _: made.append("restored"),
    )
    needy.step(1, "Never", on="machine1", do=lambda _: made.append("done"))(nothing)
    lab: Setup = setup(tmp_path)
    record = runner.run(needy, lab)
    assert (record.verdict, record.steps, made) == ("skipped", [], [])
    assert record.missing == [
        f"machine{n} has Docker Engine 20.10, and it needs Docker Engine 99 or later"
        for n in (1, 2)
    ]
    assert store.load(lab.folder) == record


def test_too_few_machines_skip_a_scenario_that_is_one_of_many(tmp_path: Path) -> None:
    large = dataclasses.replace(Scenario("s", exercise="-", title="t", summary="s"), machines=3)
    record = runner.run(large, setup(tmp_path))
    assert (record.verdict, record.missing) == ("skipped", ["it needs 3 machines; lab t has 2"])
