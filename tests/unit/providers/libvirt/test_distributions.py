"""libvirt and its plugin as distributions have them: places, daemons, sessions, denials."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import pytest

from provision.lab import load
from provision.providers import backend
from provision.providers.libvirt import backend as libvirt
from provision.providers.libvirt import denials, virsh
from provision.providers.vagrant.template import Plan, render
from provision.support import distribution

NAME = "vagrant-libvirt"
DISTRIBUTIONS, HASHICORPS = "/usr/bin/vagrant", "/opt/vagrant/bin/vagrant"
PLACES = {
    "Debian": "usr/share/rubygems-integration/all/specifications/vagrant-libvirt-0.12.2.gemspec",
    "Fedora": "usr/share/vagrant/gems/specifications/vagrant-libvirt-0.11.2.gemspec",
    "openSUSE": "usr/share/vagrant/gems/gems/vagrant-libvirt-0.12.2/x",
    "openSUSE's Ruby": "usr/lib64/ruby/gems/3.4.0/specifications/vagrant-libvirt-0.12.2.gemspec",
}
RELEASES = {
    "debian": {"ID": "debian"},
    "ubuntu": {"ID": "ubuntu", "ID_LIKE": "debian"},
    "mint": {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"},
    "fedora": {"ID": "fedora"},
    "rocky": {"ID": "rocky", "ID_LIKE": "rhel centos fedora"},
    "suse": {"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"},
    "arch": {"ID": "arch"},
    "manjaro": {"ID": "manjaro", "ID_LIKE": "arch"},
    "void": {"ID": "void"},
}


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has installed no plugin."""
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant.d"))


def uses(monkeypatch: pytest.MonkeyPatch, vagrant: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: vagrant if name == "vagrant" else name)


@pytest.mark.parametrize("place", PLACES)
def test_the_plugin_is_found_where_the_distribution_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    uses(monkeypatch, DISTRIBUTIONS)
    assert not backend.has_vagrant_plugin(NAME, tmp_path)
    file = tmp_path / PLACES[place]
    file.parent.mkdir(parents=True)
    file.touch()
    assert backend.has_vagrant_plugin(NAME, tmp_path)


def test_hashicorps_vagrant_does_not_use_the_distributions_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / PLACES["Debian"]
    file.parent.mkdir(parents=True)
    file.touch()
    uses(monkeypatch, HASHICORPS)
    assert not backend.has_vagrant_plugin(NAME, tmp_path)
    # One that the user has installed belongs to whichever Vagrant is called.
    home = Path(os.environ["VAGRANT_HOME"])
    home.mkdir()
    (home / "plugins.json").write_text(json.dumps({"installed": {NAME: {}}}))
    assert backend.has_vagrant_plugin(NAME, tmp_path)


def test_that_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    uses(monkeypatch, HASHICORPS)
    monkeypatch.setattr(libvirt, "has_system_plugin", lambda _: True)
    said = libvirt.Libvirt().missing()
    assert said.startswith("/opt/vagrant/bin/vagrant is not the distribution's Vagrant")
    assert said.endswith("vagrant plugin install vagrant-libvirt")


@pytest.mark.parametrize(
    ("release", "plugin", "virtualization"),
    [
        ("debian", "sudo apt-get install vagrant-libvirt", "libvirt-daemon-system"),
        ("ubuntu", "sudo apt-get install vagrant-libvirt", "libvirt-daemon-system"),
        ("mint", "sudo apt-get install vagrant-libvirt", "libvirt-daemon-system"),
        ("fedora", "sudo dnf install vagrant-libvirt", "dnf install libvirt "),
        ("rocky", "sudo dnf install vagrant-libvirt", "dnf install libvirt "),
        ("suse", "sudo zypper install vagrant-libvirt", "zypper install libvirt "),
        ("arch", "vagrant plugin install vagrant-libvirt", "pacman -S libvirt "),
        ("manjaro", "vagrant plugin install vagrant-libvirt", "pacman -S libvirt "),
        ("void", "vagrant plugin install vagrant-libvirt", "(virsh)"),
    ],
)
def test_what_is_missing_is_named_with_the_distributions_own_command(
    monkeypatch: pytest.MonkeyPatch, release: str, plugin: str, virtualization: str
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: RELEASES[release])
    uses(monkeypatch, DISTRIBUTIONS)
    monkeypatch.setattr(libvirt, "has_vagrant_plugin", lambda _: False)
    assert libvirt.Libvirt().missing().endswith(plugin)
    monkeypatch.setattr(libvirt, "has_vagrant_plugin", lambda _: True)
    monkeypatch.setattr(shutil, "which", lambda name, **_: "" if name == "virsh" else DISTRIBUTIONS)
    assert virtualization in libvirt.Libvirt().missing()


def test_a_system_without_os_release_is_of_no_family(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", none)
    assert distribution.family() == ""


# -- the connection ---------------------------------------------------------------------------

SOCKET = "error: failed to connect to the hypervisor\nerror: Failed to connect socket to "


@pytest.mark.parametrize(
    ("failing", "said", "remedy"),
    [
        ("uri", f"{SOCKET}'/var/run/libvirt/libvirt-sock': No such file or directory", "libvirtd"),
        ("uri", f"{SOCKET}'/var/run/libvirt/libvirt-sock': Permission denied", "usermod -aG"),
        (
            "uri",
            "error: authentication unavailable: no polkit agent available to authenticate action",
            "sudo usermod -aG libvirt",
        ),
        (
            "net-list",
            f"{SOCKET}'/var/run/libvirt/virtnetworkd-sock-ro': No such file or directory",
            "sudo systemctl enable --now virtqemud.socket virtnetworkd.socket",
        ),
        (
            "pool-list",
            f"{SOCKET}'/var/run/libvirt/virtstoraged-sock': Connection refused",
            "virtstoraged.socket",
        ),
    ],
)
def test_a_libvirt_that_does_not_answer_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, said: str, remedy: str
) -> None:
    program = tmp_path / "virsh"
    program.write_text(
        f'#!/bin/sh\ncase $3 in {failing}) cat >&2 <<"END"\n{said}\nEND\nexit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(virsh, "_SYSTEMD", tmp_path)
    error = virsh.connection_error()
    assert said.splitlines()[-1].removeprefix("error: ") in error
    assert remedy in error
    assert "\n" not in error


def test_without_systemd_no_unit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virsh, "_SYSTEMD", tmp_path / "none")
    assert "make lab starts it" in virsh._remedy("'/var/run/libvirt/libvirt-sock': No such file")


def test_the_users_own_session_is_refused_with_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virsh, "URI", "qemu:///session")
    assert "unset LIBVIRT_DEFAULT_URI" in virsh.connection_error()


def test_vagrant_asks_the_same_libvirt_as_virsh(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    lab = load.load(tmp_path / "lab.toml")
    text = render(lab, Plan("libvirt", "a/b", None, "swarmrig-book_", "swarmrig-book"))
    assert f"libvirt.uri = '{virsh.URI}'" in text
    assert "libvirt.qemu_use_session = false" in text


# -- what QEMU may not open -------------------------------------------------------------------

DENIED = (
    "Error while creating domain: internal error: process exited while connecting to monitor: "
    "Could not open '/home/me/lab/disk.img': Permission denied"
)


@pytest.mark.parametrize(
    ("selinux", "apparmor", "by", "advice"),
    [
        ("1", "", "SELinux is enforcing", "sudo restorecon -Rv /home/me/lab"),
        ("0", "Y", "AppArmor is on", "sudo journalctl -k"),
        ("", "N", "as another user", "namei -l /home/me/lab/disk.img"),
    ],
)
def test_a_disk_that_qemu_may_not_open_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    selinux: str,
    apparmor: str,
    by: str,
    advice: str,
) -> None:
    for name, value in (("SELINUX", selinux), ("APPARMOR", apparmor)):
        (tmp_path / name).write_text(value)
        monkeypatch.setattr(denials, name, tmp_path / name)
    said = denials.explain(DENIED)
    assert said is not None
    assert by in said.what
    assert advice in said.advice
    assert denials.explain("The box 'a/b' could not be found: Permission denied") is None
