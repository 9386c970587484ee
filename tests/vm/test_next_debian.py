"""The lab of the book on the next Debian with its Docker 28, both exercises, the real plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from provision.providers.boxes import build
from provision.providers.boxes.recipe import Recipe
from tests.vm.test_book import Lab, needs_weave
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="one more lab takes long where machines are emulated: SWARMRIG_VM=all runs it",
)


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    build.build(Recipe("forky"))
    made = Lab(world, tmp_path_factory.mktemp("forky"))
    made.registry = str(made.folder / "labs")
    made.define()
    file = made.folder / "lab.toml"
    file.write_text('suite = "forky"\n' + file.read_text())
    yield made
    made.inv("destroy")


def test_the_lab_comes_up_with_docker_28_or_newer(lab: Lab) -> None:
    lab.must("up")
    version = lab.on("machine1", "docker version --format '{{.Server.Version}}'")
    assert int(version.split(".")[0]) >= 28


def test_the_overlay_exercise_passes(lab: Lab) -> None:
    assert lab.passed("overlay")["missing"] == []


@needs_weave
def test_the_weave_exercise_passes_with_the_real_plugin(lab: Lab) -> None:
    assert lab.passed("weave")["missing"] == []
    assert lab.on("machine2", "docker plugin ls --quiet") == ""
