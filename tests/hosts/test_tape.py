"""A run that is recorded here can be played again without machines, with the same record."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import up
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.taping import tape_again
from tests.support.progress import quiet
from tests.unit.scenarios.played import PLAYED
from tests.vxlan_driver import package

# Of the atlas, the ones that are run in every run of the tests.
QUICK = {"attachable"}
# The exercise has a test of its own; of the others the kernel of light hosts lacks something, and
# tests/vm/tape.py records them.
ELSEWHERE = {"overlay", "overlay with IPVS", "vip", "encrypted", "publish", "ipvlan"}
only_all = pytest.mark.skipif(
    os.environ.get("SWARMRIG_FAULTS") != "all",
    reason="half a minute each: SWARMRIG_FAULTS=all runs them",
)


@pytest.fixture
def third(two_hosts: list[Host], fabric: Fabric) -> Iterator[Host]:
    (host,) = fabric.add("machine3")
    host.load_image()
    yield host
    fabric.remove(host)


def test_the_overlay_exercise_plays_again_with_the_same_record(lab: Lab, tmp_path: Path) -> None:
    tape_again("overlay", lab, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else only_all)
        for name, one in PLAYED.items()
        if one.scenario.atlas and name not in ELSEWHERE
    ],
)
def test_the_atlas_plays_again_with_the_same_record(name: str, lab: Lab, tmp_path: Path) -> None:
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
