"""Docker's installation on real machines that start without it, from their own package source.

They run Debian 12, so that the tier has machines of that as well.
"""

from __future__ import annotations

from pathlib import Path

from provision.providers.boxes import build, busybox
from provision.providers.boxes.recipe import Recipe
from tests.vm.test_book import Lab
from tests.vm.vagrant_world import World


def test_docker_is_installed_on_all_machines_and_an_archive_brings_the_image(
    world: World, tmp_path: Path
) -> None:
    build.build(Recipe("bookworm", docker=False))
    busybox.write_archive(Path("/bin/busybox"), tmp_path / "image.tar", "swarmrig/busybox:t")
    lab = Lab(world, tmp_path)
    (tmp_path / "lab.toml").write_text(
        """
        name = "plain"
        box = "swarmrig/debian12-plain"
        [images]
        scenario = "swarmrig/busybox:t"
        archives = ["image.tar"]
        """
    )
    try:
        done = lab.inv("up")
        assert done.returncode == 0, done.stderr
        assert "install Docker, tcpdump, apparmor, iperf3 with apt-get" in done.stderr
        said = lab.inv("ssh", "machine2", "--command", "docker image ls -q swarmrig/busybox:t")
        assert said.stdout.strip()
    finally:
        lab.inv("destroy")
    assert world.belongings() == []
