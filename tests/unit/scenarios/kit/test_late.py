"""A manager that answers too late: the command is run again, and what came of the first is seen."""

from __future__ import annotations

import pytest

from provision.machine.machine import Result
from scenarios.kit.late import TRIES, answered_late, repeated

LATE = "Error response from daemon: rpc error: code = DeadlineExceeded desc = context deadline…"
CREATE = "docker service create --name web alpine"


def answer(command: str, code: int | None, stderr: str = "") -> Result:
    return Result("machine1", command, "", stderr, code, "2026-01-01T00:00:00", 1.0)


class Engine:
    """Answers one command after the other as given."""

    def __init__(self, command: str, *answers: tuple[int, str]) -> None:
        self.command = command
        self.answers = list(answers)
        self.told: list[str] = []

    def run(self) -> Result:
        code, stderr = self.answers.pop(0)
        return answer(self.command, code, stderr)

    def repeated(self) -> tuple[Result, bool]:
        return repeated(self.run, self.told.append)


def test_a_command_that_is_answered_runs_once() -> None:
    engine = Engine(CREATE, (0, ""))
    result, was_done = engine.repeated()
    assert (result.ok, was_done, engine.told) == (True, False, [])


def test_another_error_is_not_repeated() -> None:
    engine = Engine(CREATE, (1, "Error: No such network"), (0, ""))
    result, was_done = engine.repeated()
    assert (result.ok, was_done, engine.told) == (False, False, [])


def test_one_that_was_answered_too_late_is_run_again() -> None:
    engine = Engine(CREATE, (1, LATE), (0, ""))
    result, was_done = engine.repeated()
    assert (result.ok, was_done) == (True, False)
    assert engine.told == [
        "         the swarm's manager answered too late: the command is run again"
    ]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (CREATE, "rpc error: code = AlreadyExists desc = name conflicts with an existing object"),
        ("docker network create -d overlay net", "network with name net already exists"),
        ("docker service rm web", "Error: No such service: web"),
        ("docker network rm net", "Error response from daemon: network net not found"),
    ],
)
def test_what_had_been_done_all_the_same_is_no_failure(command: str, said: str) -> None:
    _, was_done = Engine(command, (1, LATE), (1, said)).repeated()
    assert was_done


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (CREATE, "Error response from daemon: network overlaynet1 not found"),
        ("docker network rm net", "rpc error: code = FailedPrecondition desc = network is in use"),
    ],
)
def test_another_error_of_the_second_try_is_one(command: str, said: str) -> None:
    result, was_done = Engine(command, (1, LATE), (1, said)).repeated()
    assert (result.ok, was_done) == (False, False)


def test_one_that_is_never_answered_in_time_is_given_up() -> None:
    engine = Engine(CREATE, *[(1, LATE)] * TRIES)
    result, was_done = engine.repeated()
    assert answered_late(result)
    assert not was_done
    assert engine.answers == []
