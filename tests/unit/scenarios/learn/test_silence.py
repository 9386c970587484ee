"""Engines that cannot answer because of a fault: what they said before is kept and used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.support.errors import MachineError
from scenarios.kit.setup import Answered, Setup
from scenarios.learn import silence

WHY = "Docker's daemon on machine2 is frozen"


def machine(name: str, role: str = "worker") -> Any:
    docker = SimpleNamespace(
        info=lambda: {"Name": name, "Swarm": {"NodeID": f"id-{name}"}},
        version=lambda: {"ApiVersion": "1.45"},
    )
    plan = SimpleNamespace(role=role)
    return SimpleNamespace(name=name, plan=plan, docker=docker, run=lambda _: "there")


def test_a_machine_is_there_and_its_engine_says_why_it_does_not_answer() -> None:
    there = {"machine1": machine("left", "manager"), "machine2": machine("right")}
    seen = silence.seen_as(there, lambda name: WHY if name == "right" else "")
    assert [silence.is_silent(one) for one in seen.values()] == [False, True]
    assert seen["machine2"].run("true") == "there"  # type: ignore[comparison-overlap]
    with pytest.raises(MachineError, match="right: its engine does not answer: Docker's daemon"):
        _ = seen["machine2"].docker


def test_what_it_said_before_is_kept_and_no_more_than_is_needed(tmp_path: Path) -> None:
    before = silence.Before(tmp_path)
    before.keep({"right": Answered({"Name": "host2", "Labels": ["private"]}, "1.45")})
    assert "private" not in (tmp_path / "engines.json").read_text()
    found = before.of({"right": WHY})
    assert (found["right"].info["Name"], found["right"].api) == ("host2", "1.45")
    assert before.of({}) == {}


def test_one_that_was_never_heard_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="right: its engine does not answer, and was not") as no:
        silence.Before(tmp_path).of({"right": WHY})
    assert "inv fault.heal" in no.value.advice


def test_a_silent_engine_is_not_asked(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError("it was asked")

    deaf = machine("right")
    deaf.docker = SimpleNamespace(info=never, version=never)
    given: Any = {"lab": None, "image": "", "provider": "", "folder": tmp_path, "tell": print}
    setup = Setup(
        machines={"left": machine("left", "manager"), "right": deaf},
        silent={"right": Answered({"Name": "host2"}, "1.44")},
        **given,
    )
    assert {name: info["Name"] for name, info in setup.infos().items()} == {
        "left": "left",
        "right": "host2",
    }
    assert setup.apis() == {"left": "1.45", "right": "1.44"}
