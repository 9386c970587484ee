"""Which engines can run machines; those that cannot are refused in words."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from provision.providers.containers import engine
from provision.support.errors import MachineError

LOCAL = "unix:///var/run/docker.sock"
LINUX: dict[str, Any] = {"OSType": "linux", "ServerVersion": "28.5.2", "SecurityOptions": []}


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    # One that this machine has is not the one that is played.
    monkeypatch.setattr(
        "shutil.which", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None
    )


def plays(folder: Path, info: dict[str, Any], host: str = LOCAL, version: str = "Docker") -> None:
    """A `docker` command that answers so."""
    (folder / "info").write_text(json.dumps(info))
    (folder / "host").write_text(json.dumps(host))
    program = folder / "docker"
    program.write_text(
        f"""#!/bin/sh
case $1 in
  --version) echo "{version} version 28.5.2" ;;
  context) cat {folder}/host ;;
  info) cat {folder}/info; [ -s {folder}/info ] || echo "cannot connect" >&2 ;;
  *) echo "Error response from daemon: no luck" >&2; exit 1 ;;
esac
"""
    )
    program.chmod(0o755)


def test_one_on_this_machine_that_runs_linux_containers_can(tmp_path: Path) -> None:
    plays(tmp_path, LINUX)
    assert engine.missing() == ""


def test_docker_desktops_on_windows_can_by_its_pipe(tmp_path: Path) -> None:
    plays(tmp_path, LINUX, "npipe:////./pipe/docker_engine")
    assert engine.missing() == ""


@pytest.mark.parametrize("host", ["ssh://ops@lab.example.org", "tcp://192.0.2.7:2376"])
def test_one_on_another_machine_cannot(tmp_path: Path, host: str) -> None:
    plays(tmp_path, LINUX, host)
    assert "is another machine (" in engine.missing()
    # What stands before the host's name can be a secret's place.
    assert "ops@" not in engine.missing()


def test_a_rootless_one_cannot(tmp_path: Path) -> None:
    plays(tmp_path, {**LINUX, "SecurityOptions": ["name=seccomp", "name=rootless"]})
    assert "the engine is rootless" in engine.missing()


def test_one_with_windows_containers_cannot(tmp_path: Path) -> None:
    plays(tmp_path, {**LINUX, "OSType": "windows"})
    assert "switch it to Linux containers" in engine.missing()


def test_podman_is_not_taken_for_docker(tmp_path: Path) -> None:
    plays(tmp_path, LINUX, version="podman")
    assert "Podman" in engine.missing()


def test_without_docker_that_is_said(tmp_path: Path) -> None:
    assert engine.missing() == "Docker is not installed (docker)"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Cannot connect to the Docker daemon. Is it running?", "Is it running?"),
        ("permission denied while trying to connect", "sudo usermod -aG docker $USER"),
    ],
)
def test_one_that_does_not_answer_is_told_with_the_reason(
    tmp_path: Path, said: str, expected: str
) -> None:
    plays(tmp_path, {"ServerErrors": [said]})
    assert engine.missing().startswith("the engine does not answer: ")
    assert expected in engine.missing()


def test_a_command_that_fails_gives_the_engines_own_words(tmp_path: Path) -> None:
    plays(tmp_path, LINUX)
    with pytest.raises(MachineError, match=r"^docker network create failed: no luck$"):
        engine.ask("network", "create", "x")
