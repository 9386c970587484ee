"""Which packages of Docker a system takes, by its /etc/os-release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.engine import install, systems
from provision.engine.facts import Facts
from provision.support.errors import MachineError
from tests.unit.engine.test_install import BARE


def with_apt(system: str, release: str, ubuntu: str = "", debian: str = "") -> Facts:
    return replace(
        BARE, system=system, release=release, ubuntu_codename=ubuntu, debian_codename=debian
    )


def with_dnf(system: str) -> Facts:
    return replace(BARE, system=system, release="", apt="", dnf="/usr/bin/dnf")


@pytest.mark.parametrize(
    ("seen", "folder", "release"),
    [
        (with_apt("debian", "trixie"), "debian", "trixie"),
        (with_apt("ubuntu", "noble", "noble"), "ubuntu", "noble"),
        # Linux Mint, Pop!_OS, elementary OS
        (with_apt("linuxmint", "xia", "noble"), "ubuntu", "noble"),
        (with_apt("pop", "jammy", "jammy"), "ubuntu", "jammy"),
        (with_apt("elementary", "circe", "noble"), "ubuntu", "noble"),
        # Linux Mint Debian Edition
        (with_apt("linuxmint", "faye", debian="bookworm"), "debian", "bookworm"),
        # Raspberry Pi OS: 64 bits say debian
        (with_apt("raspbian", "bookworm"), "raspbian", "bookworm"),
        (with_dnf("fedora"), "fedora", ""),
        (with_dnf("centos"), "centos", ""),
        (with_dnf("rhel"), "rhel", ""),
        (with_dnf("rocky"), "rhel", ""),
        (with_dnf("almalinux"), "rhel", ""),
    ],
)
def test_a_derivative_gets_the_repository_of_what_it_is_made_of(
    seen: Facts, folder: str, release: str
) -> None:
    assert systems.source(seen) == systems.Source(folder, release)
    script = install.installation(seen, "28.2.2")
    assert f"https://download.docker.com/linux/{folder}/gpg" in script


@pytest.mark.parametrize(
    ("seen", "advice"),
    [
        (with_apt("kali", "kali-rolling"), 'docker.version = "distribution"'),
        (with_apt("debian", ""), 'docker.version = "distribution"'),
        (with_dnf("amzn"), 'docker.version = "distribution"'),
        (with_dnf("ol"), "by hand"),
        (with_dnf("nobara"), "by hand"),
    ],
)
def test_a_system_that_dockers_repository_does_not_have_is_refused(
    seen: Facts, advice: str
) -> None:
    with pytest.raises(MachineError) as caught:
        install.plan("m", seen, "28.2.2", existing=True)
    name = f"{seen.system} {seen.release}".strip()
    assert str(caught.value) == f"m: Docker's own repository has nothing for {name}."
    assert advice in caught.value.advice


@pytest.mark.parametrize(("system", "package"), [("fedora", "moby-engine"), ("amzn", "docker")])
def test_a_systems_own_engine_has_its_own_name(system: str, package: str) -> None:
    script = install.installation(with_dnf(system), "distribution")
    assert f"dnf -y install tcpdump {package}\n" in script


@pytest.mark.parametrize("system", ["rocky", "almalinux", "centos", "rhel", "ol"])
def test_a_system_whose_docker_is_podman_is_refused(system: str) -> None:
    with pytest.raises(MachineError, match=f"{system} has no Docker Engine among") as caught:
        install.plan("m", with_dnf(system), "distribution", existing=True)
    assert ("docker.version =" in caught.value.advice) is (system != "ol")


def test_any_system_with_apt_gets_its_own_engine() -> None:
    for seen in (with_apt("kali", "kali-rolling"), with_apt("linuxmint", "xia", "noble")):
        assert "docker.io" in install.installation(seen, "distribution")


def test_a_system_with_another_package_manager_is_refused_with_what_to_do() -> None:
    seen = replace(BARE, system="opensuse-leap", apt="")
    with pytest.raises(MachineError, match="m: no recipe to install Docker on opens") as caught:
        install.plan("m", seen, "distribution", existing=True)
    assert "zypper install docker tcpdump" in caught.value.advice
