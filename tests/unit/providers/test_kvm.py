"""The trial of KVM: what is believed, for how long, and what is advised."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from provision.providers.libvirt import kvm

SUCCESS = "echo VFS: Unable to mount root fs"


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A QEMU that plays a part, on a host whose /dev/kvm can be opened."""
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "access", lambda *_: True)
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


def test_a_trial_that_timed_out_is_tried_again(qemu: Path) -> None:
    plays(qemu, "exec sleep 60")
    first = kvm.verdict()
    assert (first.works, first.cached) == (False, False)
    plays(qemu, SUCCESS)
    assert kvm.verdict().works
    assert runs(qemu) == 2


def test_a_device_that_is_not_ours_to_open_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert "usermod -aG kvm" in kvm.verdict().why
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert kvm.verdict().why == "there is no /dev/kvm"
