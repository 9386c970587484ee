"""What is known of a swarm while some of its engines are stopped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.lifecycle import provision
from provision.swarm import members
from provision.swarm.members import Facts, Member

OUT = Member("inactive", "", False, "", "")
WORKER = Member("active", "w", False, "", "", (("m", "10.0.0.1"),))


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        # The engine that is stopped may be the manager: that it is lost is not said.
        (Facts({"two": WORKER}), False),
        (Facts({"two": WORKER}, leader="two"), True),
        (Facts({"two": OUT}), True),
        (Facts({}), True),
    ],
)
def test_a_swarm_is_not_taken_for_lost_while_an_engine_is_stopped(
    monkeypatch: pytest.MonkeyPatch, seen: Facts, known: bool
) -> None:
    monkeypatch.setattr(members, "look_where_possible", lambda _: seen)
    machines: dict[str, Any] = {name: SimpleNamespace(name=name) for name in ("one", "two")}
    found = provision._swarm(machines, {"two": machines["two"]}, None)
    assert found == (seen if known else None)


def test_a_swarm_all_of_whose_engines_answer_is_looked_at_with_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Facts({"one": OUT})
    monkeypatch.setattr(members, "look", lambda *_: seen)
    machines: dict[str, Any] = {"one": SimpleNamespace(name="one")}
    assert provision._swarm(machines, machines, None) is seen
