"""What `.ci/install` asks for on each distribution: its own packages, by its own command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "grep", "id", "readlink", "sed", "seq", "uname")
LIBVIRT = ("vagrant", "qemu-img", "libvirtd", "virsh", "dnsmasq", "qemu-system-x86_64", "ssh")
RELEASES = {
    "debian": "ID=debian\n",
    "mint": 'ID=linuxmint\nID_LIKE="ubuntu debian"\n',
    "fedora": "ID=fedora\n",
    "rocky": 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "opensuse": 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
    "arch": "ID=arch\n",
    "void": "ID=void\n",
}

Install = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """`.ci/install lab` in a clone whose environment is ready, on a system with these programs."""
    programs, clone = tmp_path / "bin", tmp_path / "clone"
    programs.mkdir()
    for folder in (".ci", ".venv/bin"):
        (clone / folder).mkdir(parents=True)
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(sys.executable)

    def run(
        release: str, *there: str, vagrant: str = "", plugin: bool = False
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "os-release").write_text(RELEASES[release])
        script = (CLONE / ".ci" / "install").read_text()
        for text, instead in (
            ("release=/etc/os-release", f"release={tmp_path}/os-release"),
            ("export PATH=$PATH:/usr/sbin:/sbin", ""),
            ("/run/systemd/system", str(tmp_path)),
            ("/usr/share/vagrant", f"{tmp_path}/usr/share/vagrant"),
            ("/usr/lib*/ruby", f"{tmp_path}/usr/lib*/ruby"),
            ("/usr/bin/* | /usr/share/* | /usr/lib/*", f"{programs}/*"),
        ):
            assert text in script, text
            script = script.replace(text, instead)
        (clone / ".ci" / "install").write_text(script)
        (clone / "requirements.lock").write_text("")
        for file in ("python", "pip"):
            (clone / ".venv/bin" / file).write_text(f"#!{clone}/.venv/bin/python\n")
            (clone / ".venv/bin" / file).chmod(0o755)
        sums = subprocess.run(["cksum"], check=True, capture_output=True, input=b"").stdout
        (clone / ".venv" / ".installed-lab").write_bytes(sums)
        for name in there:
            (programs / name).write_text("#!/bin/sh\n")
            (programs / name).chmod(0o755)
        if vagrant:
            (programs / "vagrant").unlink(missing_ok=True)
            target = tmp_path / vagrant
            target.parent.mkdir(parents=True)
            target.write_text("#!/bin/sh\n")
            target.chmod(0o755)
            (programs / "vagrant").symlink_to(target)
        if plugin:
            (tmp_path / "usr/share/vagrant/gems/gems/vagrant-libvirt-0.12.2").mkdir(parents=True)
        return subprocess.run(
            [str(programs / "bash"), str(clone / ".ci" / "install"), "lab"],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(programs), "HOME": str(tmp_path)},
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("release", "command"),
    [
        (
            "fedora",
            "sudo dnf install openssh-clients vagrant vagrant-libvirt qemu-img libvirt "
            "libvirt-client dnsmasq",
        ),
        ("rocky", "sudo dnf install openssh-clients vagrant vagrant-libvirt"),
        (
            "opensuse",
            "sudo zypper install openssh-clients vagrant vagrant-libvirt qemu-tools libvirt",
        ),
        ("arch", "sudo pacman -S --needed openssh vagrant qemu-img libvirt dnsmasq"),
    ],
)
def test_what_is_missing_is_asked_for_with_the_systems_own_command(
    install: Install, release: str, command: str
) -> None:
    done = install(release)
    assert done.returncode == 2
    assert command in done.stderr
    assert ("vagrant plugin install vagrant-libvirt" in done.stderr) == (release == "arch")
    # A box is built on Debian; elsewhere it is downloaded.
    assert "mmdebstrap" not in done.stdout + done.stderr


@pytest.mark.parametrize("release", ["fedora", "opensuse"])
def test_a_system_that_has_all_is_asked_for_nothing(install: Install, release: str) -> None:
    done = install(release, *LIBVIRT, "mkfs.ext4", "sfdisk", plugin=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_daemon_for_each_of_machines_networks_and_disks_is_libvirt_too(install: Install) -> None:
    there = {*LIBVIRT, "virtqemud", "mkfs.ext4", "sfdisk"} - {"libvirtd"}
    assert install("fedora", *there, plugin=True).returncode == 0


@pytest.mark.parametrize("release", ["debian", "fedora", "mint"])
def test_the_plugin_of_the_distribution_is_none_of_hashicorps_vagrant(
    install: Install, release: str
) -> None:
    there = (*LIBVIRT, "mmdebstrap", "extlinux", "mkfs.ext4", "sfdisk", "apt-get", "apt-cache")
    done = install(release, *there, vagrant="opt/vagrant/bin/vagrant", plugin=True)
    assert done.returncode == 2
    assert "missing: the plugin vagrant-libvirt" in done.stdout
    assert "vagrant plugin install vagrant-libvirt" in done.stderr


def test_a_system_whose_packages_are_not_known_is_told_what_to_install(install: Install) -> None:
    done = install("void")
    assert done.returncode == 2
    assert "The packages of this system are not known" in done.stderr
    assert "https://developer.hashicorp.com/vagrant/install" in done.stderr


def test_the_environment_of_another_clone_is_not_cleared_through_a_link(
    install: Install, tmp_path: Path
) -> None:
    assert install("fedora", *LIBVIRT, plugin=True).returncode == 0
    venv, other = tmp_path / "clone/.venv", tmp_path / "other"
    venv.rename(other)
    venv.symlink_to(other)
    (other / ".installed-lab").write_text("of another lock")
    (other / "bin/pip").write_text("#!/of/the/other/.venv/bin/python\n")
    script = tmp_path / "clone/.ci/install"
    done = subprocess.run(
        [str(tmp_path / "bin/bash"), str(script), "lab"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        timeout=60,
    )
    assert done.returncode == 2
    assert f".venv is a link to {other}" in done.stderr
    assert (other / "bin/python").exists()
