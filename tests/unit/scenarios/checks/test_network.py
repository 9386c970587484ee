"""A service's task by what the engines say: one that starts again and again does not run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.checks import network

NOW = "2026-11-29T12:00:00.400000001Z"


def lasting(*started: str) -> dict[str, Any]:
    """What is said of the container of a service that was created by hand, started then."""
    said: dict[str, dict[str, Any]] = {}
    info = {"Swarm": {"NodeID": "n1"}, "SystemTime": NOW}
    machine: Any = SimpleNamespace(name="machine1", docker=SimpleNamespace(info=lambda: info))
    step: Any = SimpleNamespace(
        acted=False,
        running_tasks=lambda _: [{"NodeID": "n1"}],
        containers=lambda *_: [{"State": {"StartedAt": one}} for one in started],
        context=SimpleNamespace(machines={"machine1": machine}),
        expect=lambda what, **more: said.update({what: more}),
    )
    network.expect_one_task(step, "web1", on="machine1")
    return said[f"its container has been running for {network.LASTS} s or more"]


@pytest.mark.parametrize(
    ("started", "seen", "passed"),
    [
        (["2026-11-29T11:59:59.9Z"], "0.5 s", True),
        (["2026-11-29T12:00:00.3Z", "2026-11-29T11:59:00.4Z"], "60.0 s", True),
        (["2026-11-29T12:00:00.1Z"], "0.3 s", False),
        ([], "no container runs", False),
    ],
)
def test_a_container_that_has_just_started_may_not_last(
    started: list[str], seen: str, passed: bool
) -> None:
    found = lasting(*started)
    assert (found["seen"], found["passed"]) == (seen, passed)
    assert (found["expected"], found["machine"].name) == ("0.5 s or more", "machine1")
