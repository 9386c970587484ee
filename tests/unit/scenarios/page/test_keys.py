"""What was typed in a terminal, read from its keys: for the report, where it is known for sure."""

from __future__ import annotations

import pytest

from scenarios.page.keys import Line, Typing, typed_for


def lines(*keys: str) -> list[str]:
    typing = Typing()
    for one in keys:
        typing.feed(one.encode())
    return [line.text for line in typing.lines]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("docker ps\r", "docker ps"),
        ("dokcer\x7f\x7f\x7f\x7fcker ps\r", "docker ps"),
        ("ls -l\x15docker ps\r", "docker ps"),
        ("docker pss\x17ps\r", "docker ps"),
        ("vim\x03docker ps\r", "docker ps"),
        ("\x1b[200~docker network ls\x1b[201~\r", "docker network ls"),
        ("docker network \\\rls\r", "docker network ls"),
        ("sudo docker ps\r", "sudo docker ps"),
        # The terminal answers a question, and tells that the window has the keyboard.
        ("docker\x1b[?1;2c\x1b[I ps\r", "docker ps"),
        ("docker run --name Ä€✓ x\r", "docker run --name Ä€✓ x"),
    ],
)
def test_a_line_is_known_when_enter_is_pressed(keys: str, text: str) -> None:
    assert lines(keys) == [text]


def test_it_comes_key_by_key_and_letters_in_parts() -> None:
    assert lines(*"docker ps\r") == ["docker ps"]
    typing = Typing()
    for byte in "docker run ä\r".encode():
        typing.feed(bytes([byte]))
    assert [line.text for line in typing.lines] == ["docker run ä"]
    assert lines("docker ps\x1b[20", "1~\r") == []  # an escape in two parts is not understood


@pytest.mark.parametrize(
    "keys", ["docker ne\tls\r", "\x1b[A\r", "docker ps\x1b[D\x1bOC\r", "\x12ps\r"]
)
def test_where_the_shell_has_a_hand_in_it_the_line_is_not_known(keys: str) -> None:
    assert lines(keys) == []
    assert lines(keys, "docker ps\r") == ["docker ps"]


@pytest.mark.parametrize(
    "typed",
    [
        "my password\r",
        "docker login -u me -p word registry\r",
        "docker swarm join --token SWMTKN-1-x 10.0.0.1\r",
        "docker secret create x -\r",
        "docker service create --env PASSWORD=word x\r",
        "docker run -de PASSWORD=word x\r",
        "docker run -ePASSWORD=word x\r",
        "echo docker ps\r",
    ],
)
def test_nothing_else_is_kept_and_no_secret(typed: str) -> None:
    assert lines(typed) == []


def test_lines_and_their_number_have_limits() -> None:
    assert lines(f"docker {'x' * 10_000}\r") == []
    typing = Typing()
    for number in range(500):
        typing.feed(f"docker inspect c{number}\r".encode())
    assert len(typing.lines) == 200


# -- which of them did a step ---------------------------------------------------------------------

FIRST = "docker service create -t --network net1 --name web1 --constraint node.id==n1 alpine"
SECOND = "docker service create -t --network net1 --name web2 --constraint node.id==n2 alpine"


def commands(run: str, *typed: Line) -> list[tuple[str, str]]:
    there = {"machine1": list(typed), "machine2": []}
    found = typed_for(run, list(there), there.__getitem__)
    assert all(one.typed and one.exit_code is None for one in found)
    return [(one.machine, one.command) for one in found]


def test_a_step_has_the_command_that_did_it() -> None:
    wrong = Line("docker network create net1")
    right = Line("docker network create -d overlay --subnet 10.0.1.0/24 mynet")
    run = "docker network create -d overlay --subnet 10.0.1.0/24 net1"
    assert commands(run, wrong, Line("docker ps"), right) == [("machine1", right.text)]
    assert commands("docker network rm net1", wrong, right) == []
    assert commands("") == []


def test_of_two_steps_that_are_seen_at_once_each_has_its_own() -> None:
    typed = [Line(FIRST), Line(SECOND)]
    assert commands(FIRST, *typed) == [("machine1", FIRST)]
    assert commands(SECOND, *typed) == [("machine1", SECOND)]
    assert commands(SECOND, *typed) == []


def test_a_command_with_sudo_is_the_same() -> None:
    assert commands("docker ps", Line("sudo docker ps -a")) == [("machine1", "sudo docker ps -a")]
