"""The exercise's text and commands, as the page shows them."""

from __future__ import annotations

import pytest

from scenarios.page.steps import commands, spans


def test_code_and_emphasis_are_spans() -> None:
    assert spans("It *pings* `alpine` **twice**.") == [
        ["text", "It "],
        ["em", "pings"],
        ["text", " "],
        ["code", "alpine"],
        ["text", " "],
        ["strong", "twice"],
        ["text", "."],
    ]
    assert spans("") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("docker ps", ["docker ps"]),
        ("docker ps\ndocker inspect t", ["docker ps", "docker inspect t"]),
        (
            "docker exec -it t /bin/sh, then: ping alpine-overlay1",
            ["docker exec -it t /bin/sh", "ping alpine-overlay1"],
        ),
        (
            "docker service rm a, docker service rm b",
            ["docker service rm a", "docker service rm b"],
        ),
        ("docker node ls --filter name=a,b", ["docker node ls --filter name=a,b"]),
        ("", []),
    ],
)
def test_each_command_of_a_step_stands_alone(text: str, found: list[str]) -> None:
    assert commands(text) == found
