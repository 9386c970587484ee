"""The lab on other engines than the tier's own: older and newer ones, and one as on a Mac."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provision.providers.boxes.recipe import SUITE
from provision.providers.containers import image
from tests.containers.desktop import Desktop
from tests.containers.outer import Lab, Outer, why_not
from tests.hosts import root as roots
from tests.support.tier import cannot_run

OTHERS = sorted(set(roots.RELEASES) - {roots.DEFAULT})


@pytest.fixture(autouse=True)
def prepared() -> None:
    if reason := why_not():
        cannot_run(reason)
    for release in roots.RELEASES:
        roots.root(True, release)
    image.file_system(SUITE, print)


def comes_up_and_goes(
    make: Callable[[str], Outer], release: str, folder: Path, meanwhile: Callable[[Lab], None]
) -> None:
    outer = make(release)
    try:
        before = outer.belongings()
        lab = Lab(outer, folder)
        lab.must("up")
        assert lab.states() == [("running", "ready (leader)"), ("running", "ready")]
        meanwhile(lab)
        lab.must("destroy")
        assert outer.belongings() == before
    finally:
        outer.close()


@pytest.mark.parametrize("release", OTHERS)
def test_the_lab_comes_up_and_goes(release: str, tmp_path: Path) -> None:
    def is_that_release(lab: Lab) -> None:
        version = lab.outer.docker("version", "--format", "{{.Server.Version}}")
        assert int(version.split(".")[0]) == roots.RELEASES[release].docker_major

    comes_up_and_goes(Outer, release, tmp_path, is_that_release)


def test_so_it_does_with_the_exercise_where_only_published_ports_are_reached(
    tmp_path: Path,
) -> None:
    """As with Docker Desktop, whose containers run in a virtual machine."""

    def cannot_be_reached(lab: Lab) -> None:
        assert lab.outer.run(["ping", "-c1", "-W1", "192.168.56.11"]).returncode != 0
        assert lab.on("machine1", "hostname").strip() == "machine1"
        assert "PASSED" in lab.must("scenario", "overlay")

    comes_up_and_goes(Desktop, roots.DEFAULT, tmp_path, cannot_be_reached)


# Leaves out what an engine refuses whose hierarchy has no controllers.
UNLIMITED = """#!/bin/bash
words=()
while [ $# -gt 0 ]; do
  case $1 in --cpus | --memory) shift 2 ;; *) words+=("$1"); shift ;; esac
done
exec "$0-itself" "${words[@]}"
"""


def unlimited(release: str) -> Outer:
    """An engine that makes machines without the limits that it is asked for."""
    outer = Outer(release)
    command = outer.tools / "docker"
    command.rename(outer.tools / "docker-itself")
    command.write_text(UNLIMITED)
    command.chmod(0o755)
    return outer


def test_so_it_does_with_control_groups_of_version_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as this machine goes: it may have given the controllers to version 1."""
    monkeypatch.setenv("SWARMRIG_CGROUPS", "2")

    def of_version_2(lab: Lab) -> None:
        assert lab.outer.docker("info", "--format", "{{.CgroupVersion}}").strip() == "2"
        for machine in ("machine1", "machine2"):
            assert lab.on(machine, "stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"
            assert lab.on(machine, "systemctl is-system-running").strip() == "running"

    comes_up_and_goes(unlimited, roots.DEFAULT, tmp_path, of_version_2)
