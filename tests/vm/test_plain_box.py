"""Docker's installation on real machines that start without it, from their own package source.

One runs Debian 12, so that the tier has a machine of that as well; and their lab.toml has the keys
for which a hypervisor is needed: a disk, a box of one machine, a port, settings of the provider.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.providers.boxes import build, busybox
from provision.providers.boxes.recipe import DISK_GIB, Recipe
from tests.vm.test_book import PORT, Lab
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="a second lab takes long where machines are emulated: SWARMRIG_VM=all runs it",
)

LAB = f"""
name = "plain"
box = "swarmrig/debian12-plain"
provision = "setup.sh"

[images]
scenario = "swarmrig/busybox:t"
archives = ["image.tar"]

[provider_settings.libvirt]
title = "it's 100% #{{mine}}"

[[machines]]
name = "web"
disk = {DISK_GIB + 3}
forward = [{{ guest = 22, host = {PORT} }}]

[[machines]]
name = "db"
box = "swarmrig/debian13"
"""


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    build.build(Recipe("bookworm", docker=False))
    build.build()
    made = Lab(world, tmp_path_factory.mktemp("plain"))
    busybox.write_archive(Path("/bin/busybox"), made.folder / "image.tar", "swarmrig/busybox:t")
    (made.folder / "setup.sh").write_text("echo $SWARMRIG_MACHINE $SWARMRIG_ADDRESS >> /root/was\n")
    (made.folder / "lab.toml").write_text(LAB)
    yield made
    made.inv("destroy")


def test_docker_is_installed_where_the_box_has_none(lab: Lab) -> None:
    done = lab.inv("up")
    assert done.returncode == 0, done.stderr
    assert "web: install Docker, tcpdump, apparmor, iperf3 with apt-get" in done.stderr
    assert "db: install Docker" not in done.stderr


def test_an_archive_brings_the_image(lab: Lab) -> None:
    assert lab.on("db", "docker image ls -q swarmrig/busybox:t").strip()


def test_the_disk_is_as_large_as_lab_toml_says(lab: Lab) -> None:
    gib = 1 << 30
    size = int(lab.on("web", "df -B1 --output=size / | tail -n 1"))
    assert size > (DISK_GIB + 2) * gib
    assert int(lab.on("db", "df -B1 --output=size / | tail -n 1")) < DISK_GIB * gib


def test_a_setting_of_the_provider_reaches_it_as_it_was_given(lab: Lab, world: World) -> None:
    (machine,) = [name for name in world.virsh("list", "--name") if name.endswith("_web")]
    shown = world.run(["virsh", "desc", machine, "--title"]).stdout.strip()
    assert shown == "it's 100% #{mine}"


def test_a_script_has_run_once_on_each_machine(lab: Lab) -> None:
    said = lab.must("up")
    assert "setup.sh" not in said
    shown = lab.on("web", "sudo cat /root/was")
    assert shown.splitlines() == ["web 192.168.56.11"]


def test_a_forwarded_port_leads_to_the_machine(lab: Lab) -> None:
    assert lab.greeting().startswith("SSH-2.0")


def test_it_does_so_after_a_rebuild(lab: Lab) -> None:
    lab.must("rebuild")
    assert lab.greeting().startswith("SSH-2.0")


def test_nothing_is_left_and_the_port_is_free_again(lab: Lab, world: World) -> None:
    lab.must("destroy")
    assert world.belongings() == []
    assert lab.greeting() == ""
    left = world.run(["pgrep", "-af", shlex.quote(str(PORT))]).stdout
    assert left == ""
