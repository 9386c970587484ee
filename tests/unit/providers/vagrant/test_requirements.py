"""What Vagrant and its providers need on this host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.lab.load import load
from provision.providers.backends import registry
from provision.providers.vagrant import requirements
from provision.support.errors import UserError

CLONE = Path(__file__).parents[4]


def test_machines_larger_than_the_host_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load(CLONE / "lab.toml")
    monkeypatch.setattr(requirements, "memory", lambda: 1500)
    assert "want 2048 MiB of memory, this host has 1500 MiB" in requirements.memory_warnings(lab)[0]
    monkeypatch.setattr(requirements, "memory", lambda: 4000)
    assert requirements.memory_warnings(lab) == []


def fake_vagrant(folder: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "vagrant"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_vagrant_that_is_too_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vagrant(tmp_path, "Vagrant 2.0.1", monkeypatch)
    with pytest.raises(UserError, match=r"Vagrant 2\.0\.1 is too old"):
        requirements.check_vagrant()


def test_no_vagrant_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Vagrant is not installed"):
        requirements.check_vagrant()


def test_a_provider_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, program in {"virtualbox": "VBoxManage", "parallels": "prlctl"}.items():
        assert program in requirements.provider_lacks(registry.backend(name), "2.3.4")
