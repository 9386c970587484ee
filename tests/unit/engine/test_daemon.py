"""An engine that the machine's boot is still starting is waited for, and not started again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.engine import daemon
from provision.support.errors import MachineError
from tests.unit.engine.shell_machine import ShellMachine

_JOBS = """  141 multi-user.target start waiting
  187 docker.service {job}
"""


class Engine:
    """An engine's client: `ping` fails so often, and then systemd's job is done."""

    def __init__(self, jobs: Path, failures: int = 0) -> None:
        self.jobs = jobs
        self.failures = failures
        self.asked = 0

    def ping(self) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            raise MachineError("m: the Docker Engine does not answer")
        self.jobs.write_text("")


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """What systemd has yet to do."""
    return tmp_path / "jobs"


@pytest.fixture
def machine(tmp_path: Path, jobs: Path) -> Any:
    found = ShellMachine(tmp_path)
    found.program("systemctl", f'[ "$1" = list-jobs ] && cat {jobs}')
    return found


@pytest.mark.parametrize("job", ["start running", "start waiting", "restart waiting"])
def test_it_is_waited_for(machine: Any, jobs: Path, job: str) -> None:
    jobs.write_text(_JOBS.format(job=job))
    machine.docker = Engine(jobs)
    daemon.let_start(machine)
    assert machine.docker.asked == 1


def test_one_whose_socket_is_not_there_yet_is_asked_again(machine: Any, jobs: Path) -> None:
    jobs.write_text(_JOBS.format(job="start waiting"))
    machine.docker = Engine(jobs, failures=2)
    daemon.let_start(machine)
    assert machine.docker.asked == 3


def test_one_that_never_comes_is_waited_for_no_longer_than_allowed(
    machine: Any, jobs: Path
) -> None:
    jobs.write_text(_JOBS.format(job="start running"))
    machine.docker = Engine(jobs, failures=10**9)
    daemon.let_start(machine, patience=0)
    assert machine.docker.asked <= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No jobs running.\n",
        _JOBS.format(job="stop running"),
        " 187 docker.socket start running\n",
        " 187 my-docker.service start running\n",
    ],
)
def test_one_that_is_not_being_started_is_not_asked(machine: Any, jobs: Path, text: str) -> None:
    jobs.write_text(text)
    machine.docker = SimpleNamespace(ping=lambda: pytest.fail("it was asked"))
    daemon.let_start(machine)


def test_a_machine_without_systemd_is_not_asked(tmp_path: Path) -> None:
    machine: Any = ShellMachine(tmp_path)
    machine.program("systemctl", "exit 127")
    machine.docker = SimpleNamespace(ping=lambda: pytest.fail("it was asked"))
    daemon.let_start(machine)
