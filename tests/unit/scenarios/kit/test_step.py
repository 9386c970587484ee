"""What a step sees of an engine whose networks and containers disappear meanwhile."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from provision.machine.machine import Result
from scenarios.kit import services, step
from scenarios.kit.setup import new_step


class Vanishing:
    """An engine that lists a network and a container which are gone when they are looked at."""

    def __init__(self) -> None:
        self.name = "machine1"
        self.docker = docker.DockerClient(base_url="http://localhost:1", version="1.41")
        self.docker.api.networks = lambda **_: [{"Id": "n1", "Name": "overlaynet1"}]  # type: ignore[method-assign]
        self.docker.api.containers = lambda **_: [{"Id": "c1"}]  # type: ignore[method-assign]
        self.docker.api.inspect_network = self._gone  # type: ignore[method-assign]
        self.docker.api.inspect_container = self._gone  # type: ignore[method-assign]

    def _gone(self, *_: object, **__: object) -> None:
        raise docker.errors.NotFound("no such thing")


def test_what_goes_while_it_is_looked_at_is_gone_and_no_error() -> None:
    machine = Vanishing()
    context: Any = SimpleNamespace(called={})
    looking = step.Step(context, None, [machine])  # type: ignore[arg-type, list-item]
    assert looking.containers("alpine-overlay1") == []
    assert looking.network("overlaynet1") == {}


# -- beside one another ----------------------------------------------------------------------------


class Running:
    """A machine on which commands run; the first one waits until it is let go."""

    def __init__(self, name: str, code: int = 0) -> None:
        self.name = name
        self.code = code
        self.begun, self.let_go = threading.Event(), threading.Event()

    def run(self, command: str, timeout: float, sudo: bool = False) -> Result:
        self.begun.set()
        assert self.let_go.wait(60)
        return Result(self.name, command, "", "no room", self.code, "2026-01-01T00:00:00", 1.0)


def beside(other: Running, *commands: str) -> tuple[step.Step, Any]:
    """A step on machine1, and commands that run on another machine beside what it does."""
    context: Any = SimpleNamespace(created=None, tell=lambda _: None, slowest_command=0.0)
    here: Any = Running("machine1")
    here.let_go.set()
    made = step.Step(context, new_step("7", "Send it", [here]), [here])
    there: Any = other
    return made, made.beside(commands, there)


def test_commands_run_beside_a_block_and_are_recorded_after_what_it_has_run() -> None:
    other = Running("machine2")
    made, block = beside(other, "listen 1", "listen 2")
    with block:
        assert other.begun.wait(60)
        made.run("ping", must=True)
        other.let_go.set()
    assert [one.command for one in made.data.commands] == ["ping", "listen 1", "listen 2"]


def test_one_that_has_failed_beside_a_block_makes_the_step_fail() -> None:
    other = Running("machine2", code=1)
    other.let_go.set()
    made, block = beside(other, "listen")
    with pytest.raises(step.StepFailed, match="machine2: `listen`: no room"), block:
        pass
    assert [one.exit_code for one in made.data.commands] == [1]


# -- a manager that answers too late -------------------------------------------------------------

LATE = "Error response from daemon: rpc error: code = DeadlineExceeded desc = context deadline"
EXISTS = "rpc error: code = AlreadyExists desc = name conflicts: service web already exists"
COMMAND = "docker service create --name web alpine"


@pytest.fixture
def creating(monkeypatch: pytest.MonkeyPatch) -> step.Step:
    """A step whose manager creates a service at once, and says so when it is asked again."""
    said = [LATE, EXISTS]

    def run_watched(*_: object, **__: object) -> tuple[Result, str]:
        return Result("machine1", COMMAND, "", said.pop(0), 1, "2026-01-01T00:00:00", 20.0), ""

    monkeypatch.setattr(services, "run_watched", run_watched)
    context: Any = SimpleNamespace(created=None, tell=lambda _: None, slowest_command=0.0)
    machine: Any = SimpleNamespace(name="machine1")
    return step.Step(context, new_step("7", "Start it", [machine]), [machine])


def test_a_service_that_was_created_too_late_is_waited_for(
    creating: step.Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "converges", lambda *_: "")
    creating.run_service(COMMAND, "web")
    assert [one.stderr for one in creating.data.commands] == [LATE, EXISTS]


def test_what_is_wrong_with_it_is_still_an_error(
    creating: step.Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "converges", lambda *_: "no such image")
    with pytest.raises(step.StepFailed, match="service web does not converge: no such image"):
        creating.run_service(COMMAND, "web")
