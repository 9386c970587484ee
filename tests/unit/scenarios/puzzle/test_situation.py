"""The shop as its customers see it: what is asked, what is read from the answers, what is said."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from provision.machine.machine import Result
from scenarios.puzzle import situation
from scenarios.puzzle.situation import LINES, SHOP, STOCK, Seen

URL = "http://10.0.0.1:8480"
WELL = f"puzzle-shop is open\npuzzle-stock has 42 pieces\nlines {LINES}\n"


class Machine:
    """A machine with a shop that answers with these texts."""

    address = "10.0.0.1"

    def __init__(self, said: str, listed: str | None) -> None:
        self.said, self.listed = said, listed

    def run(self, command: str, timeout: float, sudo: bool = False) -> Result:
        if "service ls" in command:
            return Result("m", command, self.listed or "", "", int(self.listed is None), "", 0)
        return Result("m", command, self.said, "", 0, "", 0)


def looked(said: str, listed: str | None = f"{SHOP} 1/1\n{STOCK} 1/1\nother 0/3\n") -> Seen:
    machine: Any = Machine(said, listed)
    return situation.look([machine])


def test_a_shop_that_answers_all_works() -> None:
    seen = looked(f"HTTP/1.0 200 OK\n{WELL}")
    assert seen.works
    assert seen.url == URL
    assert not seen.complaints()


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("", f"The shop does not answer: {URL}"),
        ("puzzle-shop is open\nlines 0\n", "does not know what is in stock"),
        (
            "puzzle-shop is open\npuzzle-stock has 42 pieces\nlines 11\n",
            "its catalogue does not arrive: http://10.0.0.1:8481",
        ),
    ],
)
def test_what_does_not_work_is_said_as_a_customer_says_it(said: str, complaint: str) -> None:
    (line,) = looked(said).complaints()
    assert complaint in line


def test_tasks_that_are_missing_and_a_silent_manager_are_complaints() -> None:
    (line,) = looked(WELL, f"{SHOP} 1/1\n{STOCK} 0/1\n").complaints()
    assert line == f"`docker service ls` shows 0/1 tasks of {STOCK}."
    (line,) = looked(WELL, f"{SHOP} 1/1\n").complaints()
    assert line == f"`docker service ls` shows no tasks of {STOCK}."
    nodes = f"{SHOP} 1/1\n{STOCK} 1/1\nnode is Ready\nnode is Down\n"
    (line,) = looked(WELL, nodes).complaints()
    assert line == "`docker node ls` shows a node that is not Ready."
    (line,) = looked(WELL, None).complaints()
    assert "does not answer" in line


def test_a_complaint_names_no_machine_and_no_layer() -> None:
    broken = [Seen(URL), Seen(URL, {SHOP: "0/1", STOCK: "0/1"}, opens=True)]
    said = " ".join(line for seen in broken for line in seen.complaints())
    assert not {"machine1", "machine2", "underlay", "mtu", "engine"} & set(said.split())


def test_what_it_is_made_of_is_quoted_for_the_shell() -> None:
    names = {"image": "a:b", "node1": "n1", "node2": "n2"}
    made = situation.commands(names)
    assert [shlex.split(line)[1] for line in made] == ["network"] * 3 + ["service"] * 2
    for line in made[3:]:
        words = shlex.split(line)
        assert words[-4:-1] == ["a:b", "sh", "-c"]
        scripts = [one.partition("=")[2] for one in words if one.startswith(("SHORT=", "LONG="))]
        assert len(scripts) == 2
        for text in (words[-1], *scripts):
            assert subprocess.run(["sh", "-n", "-c", text], check=False).returncode == 0
    assert "node.id==n2" in made[3]
    assert "node.id==n1" in made[4]
