"""A run that is recorded here can be played again without machines, with the same record."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import running, up
from scenarios.kit import runner
from scenarios.kit.setup import Setup
from scenarios.record.diff import difference
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.support.progress import quiet
from tests.support.tape import Tape, recorded
from tests.unit.scenarios.played import PLAYED, SKIPPED, failed, play, skipped
from tests.vxlan_driver import package

# Write the tapes that the unit tier plays: SWARMRIG_RECORD=1 pytest tests/hosts/test_tape.py
RECORD = "SWARMRIG_RECORD"


@pytest.fixture
def third(two_hosts: list[Host], fabric: Fabric) -> Iterator[Host]:
    (host,) = fabric.add("machine3")
    host.load_image()
    yield host
    fabric.remove(host)


def tape_again(name: str, lab: Lab, folder: Path) -> None:
    """Record a run of the scenario, play it, and compare the two."""
    one = PLAYED[name]
    tape = Tape()
    with running.machines_of(lab) as machines, tape.steps() as before_step:
        taped = {name: recorded(machine, tape) for name, machine in machines.items()}
        setup = Setup(
            lab=lab,
            machines=taped,
            image=roots.TAG,
            provider="hosts",
            folder=folder / "first",
            tell=lambda _: None,
            before_step=before_step,
        )
        first = runner.run(one.scenario, setup)
        api = str(next(iter(machines.values())).docker.api.api_version)
    about: dict[str, Any] = {
        "api": api,
        "image": roots.TAG,
        "machines": [{**asdict(machine), "access": None} for machine in lab.machines],
        "plugin": lab.weave.settings if lab.weave else None,
        "record": first.model_dump(mode="json"),
    }
    assert failed(first) == []
    assert skipped(first) == SKIPPED.get(name, set())
    file = tape.write(one.tape if os.environ.get(RECORD) else folder / one.tape.name, **about)
    again = play(dataclasses.replace(one, tape=file), folder / "again")
    assert difference(first, again) == ""
    assert [s.expectations for s in again.steps] == [s.expectations for s in first.steps]


def test_the_overlay_exercise_plays_again_with_the_same_record(lab: Lab, tmp_path: Path) -> None:
    tape_again("overlay", lab, tmp_path)


@pytest.mark.parametrize("name", [name for name, one in PLAYED.items() if one.scenario.containers])
def test_plain_containers_play_again_with_the_same_record(
    name: str, lab: Lab, tmp_path: Path
) -> None:
    tape_again(name, lab, tmp_path)


def test_the_exercise_over_a_plugin_plays_again_with_the_same_record(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    settings = package.settings(host.address for host in two_hosts)
    plugin = PluginSpec(package.NAME, package.archive(), settings=settings)
    tape_again("weave", dataclasses.replace(lab, weave=plugin), tmp_path)


def test_the_spreading_of_tasks_plays_again_with_the_same_record(
    two_hosts: list[Host], third: Host, lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of([*two_hosts, third])
    up.up(lab, quiet())
    tape_again("spread", lab, tmp_path)
