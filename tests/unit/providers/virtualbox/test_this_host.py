"""A VirtualBox that would fail after minutes is refused before anything is made."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.diagnostics import doctor
from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import dry_run, up
from provision.providers import conflicts
from provision.providers.backends import registry
from provision.providers.boxes import select
from provision.providers.vagrant import requirements
from provision.providers.virtualbox import host_only, supported, vboxmanage
from provision.support.errors import UserError
from tests.support.progress import quiet

NOT_LOADED = """WARNING: The vboxdrv kernel module is not loaded. Either there is no module
         available for the current kernel (6.1.0-26-amd64) or it failed to
         load. Please recompile the kernel module and install it by

           sudo /sbin/vboxconfig

         You will not be able to start VMs until this problem is fixed.
7.0.20r163906
"""
NO_DEVICE = """WARNING: The character device /dev/vboxdrv does not exist.
\t Please install the virtualbox-dkms package and the appropriate
\t headers, most likely linux-headers-amd64.

\t You will not be able to start VMs until this problem is fixed.
7.0.20_Debianr163906
"""
HARMLESS = (
    "WARNING: Environment variable LOGNAME or USER is not the effective user.\n7.0.20r163906\n"
)

Host = Callable[..., Lab]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A Linux host with a Vagrant and a VirtualBox of these versions; the lab that wants it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin:/bin")
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(host_only, "RANGES", tmp_path / "networks.conf")
    monkeypatch.setattr(conflicts, "host_networks", dict)
    monkeypatch.setattr(conflicts, "host_routes", list)
    monkeypatch.setattr(select, "unreachable", lambda: "")
    monkeypatch.setattr(platform, "release", lambda: "6.1.0-26-amd64")

    def make(
        vagrant: str = "2.3.4",
        virtualbox: str = "7.0.20r163906\n",
        subnet: str = "192.168.56.0/24",
        ranges: str | None = None,
    ) -> Lab:
        (tmp_path / "version").write_text(virtualbox)
        (programs / "VBoxManage").write_text(f"#!/bin/sh\ncat '{tmp_path}/version'\n")
        (programs / "vagrant").write_text(
            f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/calls'\necho Vagrant {vagrant}\n"
        )
        for program in programs.iterdir():
            program.chmod(0o755)
        if ranges is not None:
            host_only.RANGES.write_text(ranges)
        text = f'provider = "virtualbox"\nbox = "a/b"\n[network]\nsubnet = "{subnet}"\n'
        (tmp_path / "lab.toml").write_text(text)
        return load.load(tmp_path / "lab.toml")

    return make


def refusal(lab: Lab, verb: Callable[..., object]) -> UserError:
    with pytest.raises(UserError) as caught:
        verb(lab, quiet())
    assert caught.value.exit_code == 2
    # Vagrant was asked for its version, and nothing was made.
    assert set((lab.home / "calls").read_text().split("\n")) <= {"--version", ""}
    assert not lab.state.exists()
    return caught.value


def missing(lab: Lab) -> list[str]:
    return [f"{f.what} {f.advice}" for f in doctor.examine(lab, False) if f.state == "missing"]


@pytest.mark.parametrize("verb", [up.up, dry_run.dry_run])
@pytest.mark.parametrize(
    ("vagrant", "virtualbox", "remedy"),
    [
        ("2.3.4", "7.2.22r171234", "up to 7.0, and 7.2 is installed: install Vagrant 2.4.9"),
        ("2.3.4", "7.1.4r165100", "up to 7.0, and 7.1 is installed: install Vagrant 2.4.2"),
        ("2.4.1", "7.1.4r165100", "Vagrant 2.4.1 supports VirtualBox up to 7.0"),
        ("2.4.8", "7.2.0r1", "up to 7.1, and 7.2 is installed: install Vagrant 2.4.9"),
        ("2.2.19", "7.0.2r1", "up to 6.1, and 7.0 is installed: install Vagrant 2.3.2"),
        ("2.4.9", "7.3.0r1", "up to 7.2, and 7.3 is installed: install VirtualBox 7.2"),
    ],
)
def test_a_virtualbox_that_vagrant_does_not_know_is_refused_with_what_to_install(
    host: Host, vagrant: str, virtualbox: str, remedy: str, verb: Callable[..., object]
) -> None:
    assert remedy in str(refusal(host(vagrant, virtualbox + "\n"), verb))


@pytest.mark.parametrize(
    ("vagrant", "virtualbox"),
    [
        ("2.3.4", "7.0.20r163906"),
        ("2.4.2", "7.1.4r165100"),
        ("2.4.9", "7.2.0r1"),
        ("2.3.4", "6.1.50_Debianr161033"),
        # Newer than what is known here: Vagrant itself is to judge.
        ("2.5.0", "7.3.0r1"),
    ],
)
def test_those_that_fit_are_used(host: Host, vagrant: str, virtualbox: str) -> None:
    lab = host(vagrant, virtualbox + "\n")
    assert "provider virtualbox: named in lab.toml" in dry_run.dry_run(lab, quiet())
    assert missing(lab) == []


def test_the_list_of_the_installed_vagrant_comes_before_what_is_known_of_its_version(
    host: Host, tmp_path: Path
) -> None:
    lab = host("2.3.4", "7.2.0r1\n")
    drivers = tmp_path / "embedded/gems/gems/vagrant-2.3.4" / supported._LIST
    drivers.parent.mkdir(parents=True)
    drivers.write_text('driver_map = {\n  "7.0" => Version_7_0,\n  "7.2" => Version_7_0,\n}\n')
    assert missing(lab) == []


@pytest.mark.parametrize("verb", [up.up, dry_run.dry_run])
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (NOT_LOADED, "The vboxdrv kernel module is not loaded"),
        (NO_DEVICE, "The character device /dev/vboxdrv does not exist"),
    ],
)
def test_a_missing_kernel_module_is_reported_in_virtualboxs_own_words(
    host: Host, said: str, words: str, verb: Callable[..., object]
) -> None:
    lab = host(virtualbox=said)
    shown = str(refusal(lab, verb))
    assert words in shown
    assert "\n" not in shown
    assert words in missing(lab)[0]


def test_another_warning_is_none_of_a_missing_module(host: Host) -> None:
    assert missing(host(virtualbox=HARMLESS)) == []
    assert vboxmanage.installed() == vboxmanage.Installed((7, 0, 20))


def test_a_vboxmanage_that_does_not_run_is_shown_with_its_words(host: Host) -> None:
    lab = host(virtualbox="VBoxManage: error: Failed to create the VirtualBox object!\n")
    assert "Failed to create the VirtualBox object" in missing(lab)[0]


@pytest.mark.parametrize("verb", [up.up, dry_run.dry_run])
def test_a_subnet_outside_of_the_host_only_ranges_is_refused_with_key_and_line(
    host: Host, verb: Callable[..., object]
) -> None:
    error = refusal(host(subnet="10.11.0.0/24"), verb)
    assert "lab.toml: network.subnet: 10.11.0.0/24 is not in what VirtualBox allows" in str(error)
    assert "192.168.56.0/21 fe80::/10 (its default" in str(error)
    assert 'Take network.subnet = "192.168.56.0/24"' in error.advice
    assert "the line: * 192.168.56.0/21 fe80::/10 10.11.0.0/24" in error.advice


@pytest.mark.parametrize(
    ("ranges", "subnet", "fits"),
    [
        (None, "192.168.63.0/24", True),
        (None, "192.168.64.0/24", False),
        ("# all of them\n* 10.0.0.0/8 192.168.0.0/16\n* 2001::/64\n", "10.11.0.0/24", True),
        ("* 10.0.0.0/8 192.168.0.0/16\n", "172.20.0.0/24", False),
        ("  *   0.0.0.0/0 ::/0\n", "172.20.0.0/24", True),
        ("# * 10.0.0.0/8\n* 192.168.56.0/21 # 10.0.0.0/8?\n", "192.168.56.0/24", True),
        ("# * 10.0.0.0/8\n* 192.168.56.0/21\n", "10.11.0.0/24", False),
        ("", "192.168.56.0/24", False),
        ("* 10.0.0.300/8\n* 10.1.2.3/8\n", "10.11.0.0/24", True),
    ],
)
def test_the_ranges_are_those_of_networks_conf(
    host: Host, ranges: str | None, subnet: str, fits: bool
) -> None:
    lab = host(subnet=subnet, ranges=ranges)
    found = missing(lab)
    assert bool(found) != fits
    assert all("network.subnet" in one and "networks.conf" in one for one in found)


@pytest.mark.parametrize(
    ("system", "release", "version", "fits"),
    [
        ("linux", "6.1.0-26-amd64", (6, 1, 26), True),
        ("linux", "6.1.0-26-amd64", (6, 1, 28), False),
        ("linux", "5.15.90-microsoft-standard-WSL2", (7, 0, 20), True),
        ("win32", "10", (7, 0, 20), True),
        ("darwin", "22.1.0", (6, 1, 40), False),
        ("darwin", "22.1.0", (7, 0, 4), True),
    ],
)
def test_where_virtualbox_has_no_ranges_none_are_asked_for(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    release: str,
    version: tuple[int, int, int],
    fits: bool,
) -> None:
    lab = host(subnet="10.11.0.0/24")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "release", lambda: release)
    assert (host_only.problem(lab, version) is None) == fits


def test_vboxmanage_is_found_where_windows_installer_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("VBOX_INSTALL_PATH", "VBOX_MSI_INSTALL_PATH", "PROGRAMFILES"):
        monkeypatch.delenv(variable, raising=False)
    assert vboxmanage.find() == ""
    program = tmp_path / "Oracle" / "VirtualBox" / "VBoxManage.exe"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    assert vboxmanage.find() == str(program)
    monkeypatch.setenv("PROGRAMFILES", "nowhere")
    monkeypatch.setenv("VBOX_MSI_INSTALL_PATH", f"nowhere;{program.parent}")
    assert vboxmanage.find() == str(program)


def test_the_first_usable_provider_is_selected_and_not_one_that_cannot_run(host: Host) -> None:
    lab = host("2.3.4", "7.2.0r1\n")
    lab.file.write_text("")
    assert "up to 7.0" in requirements.provider_lacks(registry.backend("virtualbox"), "2.3.4")
    lines = [f.what for f in doctor.examine(load.load(lab.file), False) if f.state == "absent"]
    assert any("provider virtualbox: Vagrant 2.3.4 supports" in line for line in lines)
