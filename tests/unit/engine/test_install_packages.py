"""What is installed where, and where nothing may be."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provision.engine import install
from provision.support.errors import MachineError
from tests.unit.engine import test_install

BARE = replace(test_install.BARE, release="trixie")


@pytest.mark.parametrize("known", [True, False])
def test_the_docker_command_is_installed_where_it_is_a_package_of_its_own(
    tmp_path: Path, known: bool
) -> None:
    # The script runs: apt-cache knows docker-cli, or does not.
    for name, text in {
        "apt-get": 'echo "$@" >> "$LOG"',
        "dpkg": "true",
        "systemctl": "true",
        "apt-cache": "true" if known else "exit 100",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log)}
    subprocess.run(["sh", "-c", install.installation(BARE, "distribution")], check=True, env=env)
    installed = log.read_text().splitlines()[-1].split()
    assert "docker.io" in installed
    assert ("docker-cli" in installed) is known


@pytest.mark.parametrize("existing", [True, False])
def test_docker_as_a_snap_is_refused(existing: bool) -> None:
    seen = replace(BARE, snap="/snap/docker/current")
    with pytest.raises(MachineError, match="has Docker as a snap") as caught:
        install.plan("m", seen, "distribution", existing)
    assert "snap remove docker" in caught.value.advice
