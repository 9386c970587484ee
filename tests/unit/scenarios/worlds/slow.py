"""Broken worlds of the scenario whose underlay is slow."""

from __future__ import annotations

import re

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import failures, two_tasks
from tests.unit.scenarios.worlds.broken import Broken, Edit, container_left
from tests.unit.scenarios.worlds.failures import WAYS, fault, nodes


def _took(milliseconds: int) -> Edit:
    """Each round trip took so long."""

    def edit(answer: Answer, _: Tape) -> None:
        answer["out"] = re.sub(r"time=[\d.]+", f"time={milliseconds}", answer["out"])

    return edit


def _round_trip(step: str, way: str, milliseconds: int, what: str) -> Broken:
    name = f"{milliseconds} ms over the {way} in step {step}"
    return Broken(name, step, "machine1", WAYS[way], _took(milliseconds), (f"{step}: {what}",))


WORLDS: list[Broken] = [
    nodes("1", "down", "every node is Ready"),
    *failures.network("2"),
    *two_tasks.service("3", "slow-a"),
    *two_tasks.service("4", "slow-b"),
    *failures.ends("5", "slow-a", "slow-b"),
    *(
        _round_trip(step, way, 150, f"a round trip over the {way} is not late")
        for step in ("5", "9")
        for way in WAYS
    ),
    *fault("6", healed="9"),
    # The overlay's own round trips took 102 ms: the difference stays small.
    *(_round_trip("6", way, 80, f"every round trip over the {way} is late") for way in WAYS),
    # Late on the way there and once more on the way back.
    _round_trip("6", "overlay network", 204, "the overlay network adds little"),
    two_tasks.other_bytes("7", "machine1", "172.48."),
    nodes("8", "down", "every node is Ready"),
    failures.container_stays("10"),
    failures.network_stays("11", "slow1", "2"),
    container_left("slow-a"),
]
