"""What a machine says of itself, asked of a real shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from provision.faults import look
from provision.machine.machine import Machine


class Shell:
    """A machine whose programs come from a folder first."""

    name, address = "machine1", "10.0.0.1"

    def __init__(self, programs: Path) -> None:
        self.programs = programs

    def run_checked(self, command: str, timeout: float, sudo: bool = False) -> str:
        env = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"}
        done: Any = subprocess.run(
            ["sh", "-c", command], check=True, capture_output=True, text=True, env=env
        )
        return str(done.stdout)


@pytest.mark.parametrize(
    ("docker", "found"),
    [
        ('printf "%s\\n" "1x2y|web.1.abc" "|db" "|cache"', ("db", "cache")),
        ('printf "%s\\n" "1x2y|web.1.abc"', ()),
        ("true", ()),
        ("exit 1", ("(they cannot be listed)",)),
    ],
    ids=["others", "tasks", "none", "no answer"],
)
def test_containers_that_are_no_tasks_are_listed_on_existing_hosts(
    docker: str, found: tuple[str, ...], tmp_path: Path
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{docker}\n")
    program.chmod(0o755)
    machine = cast(Machine, Shell(tmp_path))
    assert look.see(machine, "t", True, {}, {"22"}, stops=True).containers == found
    # Of machines of the lab's own all is the lab's.
    assert look.see(machine, "t", False, {}, {"22"}, stops=True).containers == ()
    assert look.see(machine, "t", True, {}, {"22"}).containers == ()
