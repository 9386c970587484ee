"""What a machine takes from its hypervisor at its first start: the script of the box, run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.providers.boxes import metadata

KEY = "ssh-rsa AAAAB3Nza+/="


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A file system as the recipe leaves it, for the script: its paths begin here."""
    for folder in ("etc/network", "etc/systemd/system", "home/vagrant/.ssh", "var/lib", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 swarmrig\n")
    (tmp_path / "etc/network/interfaces").write_text("auto eth0\n")
    (tmp_path / "home/vagrant/.ssh/authorized_keys").write_text("ssh-rsa well-known\n")
    for program, does in (("chroot", "true"), ("hostname", f'echo "$1" > {tmp_path}/named')):
        file = tmp_path / "bin" / program
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)
    shell(tmp_path, metadata.FINISH)
    return tmp_path


def shell(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )


def start(root: Path, asset_tag: str | None) -> None:
    if asset_tag is not None:
        (root / "sys/class/dmi/id/chassis_asset_tag").write_text(f"{asset_tag}\n")
    script = (root / "usr/lib/swarmrig/metadata").read_text()
    for place in ("/sys/", "/etc/", "/home/", "/var/"):
        script = script.replace(f" {place}", f" {root}{place}")
    shell(root, script)


def test_name_address_and_key_are_set_and_the_well_known_key_is_gone(system: Path) -> None:
    start(system, metadata.text("machine1", "192.168.56.11", 24) + KEY)
    assert (system / "named").read_text() == "machine1\n"
    assert (system / "etc/hostname").read_text() == "machine1\n"
    assert (system / "etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 machine1\n"
    own = (system / "etc/network/interfaces.d/swarmrig").read_text()
    assert own == "auto eth1\niface eth1 inet static\n  address 192.168.56.11/24\n"
    assert "interfaces.d" in (system / "etc/network/interfaces").read_text()
    assert (system / "home/vagrant/.ssh/authorized_keys").read_text() == f"{KEY}\n"
    assert (system / "var/lib/swarmrig-metadata").exists()


@pytest.mark.parametrize(
    "asset_tag", [None, "", "Not Specified", "swarmrigs machine1 1.2.3.4/24 k"]
)
def test_a_machine_that_is_handed_nothing_stays_as_it_is(
    system: Path, asset_tag: str | None
) -> None:
    start(system, asset_tag)
    assert not (system / "named").exists()
    assert (system / "etc/hosts").read_text().endswith("swarmrig\n")
    assert (system / "home/vagrant/.ssh/authorized_keys").read_text() == "ssh-rsa well-known\n"
    assert not (system / "var/lib/swarmrig-metadata").exists()


def test_it_is_set_before_the_network_and_sshd_and_once(system: Path) -> None:
    unit = (system / "etc/systemd/system/swarmrig-metadata.service").read_text().splitlines()
    (before,) = (line for line in unit if line.startswith("Before="))
    assert {"networking.service", "ssh.service"} <= set(before.removeprefix("Before=").split())
    assert "ConditionPathExists=!/var/lib/swarmrig-metadata" in unit
