"""What is installed where, and where nothing may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.engine import install
from provision.engine.facts import Facts
from provision.support.errors import MachineError
from tests.unit.engine import test_install
from tests.unit.engine.fake_system import FakeSystem

BARE = replace(test_install.BARE, release="trixie")


def installed(system: FakeSystem, seen: Facts) -> list[str]:
    """The packages that are named to apt-get when the installation runs."""
    done = system.run(install.installation(seen, "distribution"))
    assert done.returncode == 0, done.stderr
    (call,) = (call for call in system.calls("apt-get") if " install " in call)
    return [word for word in call.split()[2:] if not word.startswith("-") and word != "install"]


@pytest.mark.parametrize("apart", [True, False])
def test_the_docker_command_is_installed_where_it_is_a_package_of_its_own(
    system: FakeSystem, apart: bool
) -> None:
    known = ["docker.io", "iptables", "ca-certificates", "tcpdump"]
    system.known(*known, *(["docker-cli"] if apart else []))
    assert ("docker-cli" in installed(system, BARE)) is apart


def test_what_the_engine_needs_and_only_recommends_comes_along(system: FakeSystem) -> None:
    system.known("docker.io", "iptables", "ca-certificates", "tcpdump", "apparmor")
    assert installed(system, replace(BARE, needs_apparmor_parser=True)) == [
        "tcpdump",
        "apparmor",
        "docker.io",
        "iptables",
        "ca-certificates",
    ]


def test_a_package_that_is_there_is_not_marked_as_installed_by_hand(system: FakeSystem) -> None:
    system.known("docker.io", "iptables", "ca-certificates", "tcpdump")
    system.installed("iptables", "ca-certificates")
    assert installed(system, BARE) == ["tcpdump", "docker.io"]


def test_sources_without_an_engine_are_named_before_anything_is_installed(
    system: FakeSystem,
) -> None:
    system.known("tcpdump")
    done = system.run(install.installation(BARE, "distribution"))
    assert done.returncode == 1
    assert done.stderr == "the package sources have no docker.io\n"
    assert not [call for call in system.calls("apt-get") if " install " in call]


def test_what_was_cut_off_before_its_hold_is_held_back_at_the_next_up() -> None:
    seen = replace(test_install.WHOLE, version="28.2.2", unheld="docker-ce docker-ce-cli")
    for existing in (True, False):
        (hold,) = install.plan("m", replace(seen, user="root"), "28.2.2", existing)
        assert hold.kind == "packages"
        assert hold.what == "hold docker-ce, docker-ce-cli back from upgrades"
        assert "patiently apt-mark hold docker-ce docker-ce-cli" in hold.script


@pytest.mark.parametrize("existing", [True, False])
def test_docker_as_a_snap_is_refused(existing: bool) -> None:
    seen = replace(BARE, snap="/snap/docker/current")
    with pytest.raises(MachineError, match="has Docker as a snap") as caught:
        install.plan("m", seen, "distribution", existing)
    assert "snap remove docker" in caught.value.advice
