"""An edited lab.toml on real virtual machines: restarted, removed, refused."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from provision.providers.boxes import build
from tests.vm.test_book import Lab
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="three machines take long where they are emulated: SWARMRIG_VM=all runs it",
)

NAMES = ("machine1", "machine2", "machine3")


def define(lab: Lab, *names: str, memory: int = 1024, more: str = "") -> None:
    text = 'network.subnet = "192.168.57.0/24"\n' + more
    for name in names:
        text += f'[[machines]]\nname = "{name}"\n'
        if name == "machine2":
            text += f"memory = {memory}\n"
    (lab.folder / "lab.toml").write_text(text)


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    build.build()
    made = Lab(world, tmp_path_factory.mktemp("edited"))
    made.registry = str(made.folder / "labs")
    define(made, *NAMES)
    yield made
    made.inv("destroy")


def test_a_machine_whose_memory_was_edited_is_restarted_and_the_others_are_not(lab: Lab) -> None:
    lab.must("up")
    boots = {name: lab.on(name, "cat /proc/sys/kernel/random/boot_id") for name in NAMES}
    define(lab, *NAMES, memory=768)
    said = "machine2: memory 1024 → 768: applied by restarting the machine"
    assert said in lab.must("up", "--dry-run")
    assert said in lab.must("up")
    now = {name: lab.on(name, "cat /proc/sys/kernel/random/boot_id") for name in NAMES}
    assert [name for name in NAMES if now[name] != boots[name]] == ["machine2"]
    assert int(lab.on("machine2", "awk '/MemTotal/ {print $2}' /proc/meminfo")) < 800 * 1024
    assert len(lab.nodes().split()) == 3
    assert "changed in lab.toml" not in lab.must("up")


def test_what_needs_a_new_lab_is_refused_and_nothing_is_changed(lab: Lab, world: World) -> None:
    there, log = world.belongings(), lab.vagrant_log
    define(lab, *NAMES, memory=768, more='box_version = "9"\n')
    done = lab.inv("up")
    assert done.returncode == 2, done.stderr
    assert "box_version not set → 9: needs the lab to be recreated" in done.stderr
    assert "inv rebuild --cold" in done.stderr
    assert (world.belongings(), lab.vagrant_log) == (there, log)


def test_a_machine_that_was_removed_leaves_the_swarm_and_is_destroyed(
    lab: Lab, world: World
) -> None:
    before = {m["name"]: m["address"] for m in lab.status()}
    define(lab, "machine1", "machine3")
    said = lab.must("up")
    assert "machine2: removed from the lab" in said
    assert not any("machine2" in name for name in world.belongings())
    assert len(lab.nodes().split()) == 2
    now = {m["name"]: m["address"] for m in lab.status()}
    assert now == {name: before[name] for name in ("machine1", "machine3")}


def test_all_of_it_is_destroyed_though_lab_toml_has_another_provider(
    lab: Lab, world: World
) -> None:
    (lab.folder / "lab.toml").write_text(
        'provider = "hosts"\n'
        '[[machines]]\nname = "machine1"\naddress = "192.0.2.1"\n'
        '[[machines]]\nname = "machine3"\naddress = "192.0.2.2"\n'
    )
    done = lab.inv("up")
    assert done.returncode == 2, done.stderr
    lab.must("destroy")
    assert world.belongings() == []
