"""The trial of KVM: what is believed, for how long, and what is advised."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.providers.libvirt import kvm, virsh
from provision.support.errors import MachineError

SUCCESS = "echo VFS: Unable to mount root fs"


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A QEMU that plays a part, on a host whose /dev/kvm can be opened."""
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(kvm, "_DEVICE", tmp_path)
    monkeypatch.setattr(kvm, "PATIENCE", 0.5)
    monkeypatch.setattr(kvm, "_kernel", lambda: Path("/vmlinuz"))
    program = tmp_path / "qemu"
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    plays(program, SUCCESS)
    return program


def plays(program: Path, does: str) -> None:
    text = (
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo QEMU 7; exit; }}\necho x >> {program}.runs\n'
    )
    program.write_text(f"{text}{does}\n")
    program.chmod(0o755)


def runs(program: Path) -> int:
    return len(Path(f"{program}.runs").read_text().split())


def test_a_verdict_is_kept_until_a_fresh_one_is_asked_for(qemu: Path) -> None:
    assert kvm.verdict().works
    assert kvm.verdict().cached
    assert runs(qemu) == 1
    assert not kvm.verdict(fresh=True).cached


def test_a_guest_that_fails_at_once_is_kept_as_a_verdict(qemu: Path) -> None:
    plays(qemu, "exit 1")
    assert not kvm.verdict().works
    assert kvm.verdict().cached


def test_a_guest_that_had_a_processor_and_hung_is_kept_as_a_verdict(
    qemu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays(qemu, "exec sleep 60")
    spent = iter((7.0, 7.0 + kvm.PATIENCE))
    monkeypatch.setattr(kvm, "_processor_seconds", lambda: next(spent))
    assert not kvm.verdict().works
    assert kvm.verdict().cached
    assert runs(qemu) == 1


def test_what_a_guest_had_of_the_processors_or_could_have_had_is_known_when_it_has_ended() -> None:
    before = kvm._processor_seconds()
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"], check=True)
    assert kvm._processor_seconds() - before > 0.05


def test_a_trial_that_timed_out_on_a_busy_host_is_tried_again(
    qemu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays(qemu, "exec sleep 60")
    monkeypatch.setattr(kvm, "_processor_seconds", lambda: 7.0)
    first = kvm.verdict()
    assert (first.works, first.cached) == (False, False)
    plays(qemu, SUCCESS)
    assert kvm.verdict().works
    assert runs(qemu) == 2


def test_without_the_device_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(kvm, "_DEVICE", tmp_path / "kvm")
    assert kvm.verdict().why == "there is no /dev/kvm"


class PlayedLibvirt:
    """A libvirt whose QEMU may open /dev/kvm, or not; the guest ends, or hangs."""

    def __init__(self, refuses: str = "", hangs: bool = False) -> None:
        self.refuses, self.hangs = refuses, hangs
        self.domains: list[str] = []
        self.calls: list[str] = []

    def run(self, *words: str, check: bool = True) -> str:
        self.calls.append(words[0])
        if words[0] == "create":
            if self.refuses:
                raise MachineError(self.refuses)
            text = Path(words[1]).read_text()
            assert "<domain type='kvm'>" in text
            if self.hangs:
                self.domains.append(kvm._NAME)
        if words[0] == "destroy":
            self.domains.clear()
        return "\n".join(self.domains)


@pytest.fixture
def closed(qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is in the group libvirt, and not in kvm."""
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(kvm, "_DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / "kvm")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.mark.usefixtures("closed")
def test_a_device_that_is_not_ours_is_tried_through_libvirt_whose_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libvirt = PlayedLibvirt()
    monkeypatch.setattr(virsh, "run", libvirt.run)
    assert kvm.verdict().works
    assert kvm.verdict().cached
    assert libvirt.calls.count("create") == 1


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    "libvirt",
    [PlayedLibvirt(refuses="Could not access KVM kernel module"), PlayedLibvirt(hangs=True)],
)
def test_where_that_does_not_work_either_the_group_is_named_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, libvirt: PlayedLibvirt
) -> None:
    monkeypatch.setattr(virsh, "run", libvirt.run)
    verdict = kvm.verdict()
    assert not verdict.works
    assert "sudo usermod -aG kvm" in verdict.why
    assert libvirt.domains == []
    # A group that is given later counts at once.
    assert not kvm.verdict().cached
