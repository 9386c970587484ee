"""Broken worlds of the scenario in which a worker has a wrong clock."""

from __future__ import annotations

from typing import Any

from tests.unit.scenarios.worlds import failures
from tests.unit.scenarios.worlds.broken import INFO, Broken, body, container_left, put
from tests.unit.scenarios.worlds.failures import fault, nodes


def _right(info: Any) -> Any:
    """The clock that was a year behind is right."""
    year, rest = info["SystemTime"].split("-", 1)
    info["SystemTime"] = f"{int(year) + 1}-{rest}"
    return info


def _part(step: str, state: str, what: str) -> Broken:
    """The worker says something else of its part of the swarm."""
    edit, fails = put(state, "Swarm", "LocalNodeState"), (f"{step}: {what}",)
    return Broken(f"it is {state} in step {step}", step, "machine2", INFO, edit, fails)


WORLDS: list[Broken] = [
    *failures.spread_at_first(),
    *fault("3", healed="6"),
    Broken(
        "the right time", "3", "machine2", INFO, body(_right), ("3: machine2 is a year behind",)
    ),
    nodes("3", "down", "the swarm has machine2 as ready"),
    _part("4", "active", "its part of the swarm"),
    Broken(
        "another reason",
        "4",
        "machine2",
        INFO,
        put("no such host", "Swarm", "Error"),
        ("4: it says that the certificate",),
    ),
    nodes("5", "ready", "the swarm has machine2 as down"),
    *failures.moved("5"),
    _part("6", "active", "its part of the swarm is as before"),
    _part("7", "error", "its part of the swarm"),
    nodes("8", "down", "every node is Ready"),
    failures.container_stays("9"),
    container_left("clock1"),
]
