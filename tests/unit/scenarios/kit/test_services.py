"""What is wrong with a service, from its tasks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.kit import services


def task(state: str, error: str = "") -> dict[str, object]:
    return {"ID": "abc", "NodeID": "n", "Status": {"State": state, "Err": error}}


def test_a_failed_task_is_trouble_unless_another_runs() -> None:
    assert "no such image" in services.trouble([task("rejected", "no such image")])
    assert services.trouble([task("rejected", "no such image"), task("running")]) == ""
    assert services.trouble([task("preparing")]) == ""


def test_a_pending_task_tells_why_it_is_not_placed() -> None:
    assert "no suitable node" in services.trouble([task("pending", "no suitable node")])


def test_a_service_is_told_by_its_newest_task() -> None:
    tasks = [task("failed", "exit 1"), task("preparing")]
    assert services.progress(tasks, "web").strip() == "web: preparing"
    assert services.progress([], "web") == ""


class Service:
    """A service of two replicas, whose tasks are seen as given, one look after the other."""

    def __init__(self, *looks: list[str]) -> None:
        self.looks = list(looks)
        api: Any = SimpleNamespace(tasks=self.tasks, inspect_service=self.inspect)
        self.machine: Any = SimpleNamespace(docker=SimpleNamespace(api=api))

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        states = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        more = {"DesiredState": "running", "CreatedAt": ""}
        return [
            {**task(state, "no such image"[: 13 * (state == "rejected")]), **more}
            for state in states
        ]

    def inspect(self, _: str) -> dict[str, Any]:
        return {"Spec": {"Mode": {"Replicated": {"Replicas": 2}}}}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_POLL", 0)


def test_a_service_has_converged_when_all_tasks_that_are_to_run_do() -> None:
    seen: list[str] = []
    service = Service([], ["running"], ["running", "preparing"], ["running", "running"])
    assert services.converges(service.machine, "web", seen.append) == ""
    assert service.looks == [["running", "running"]]


def test_one_that_never_does_ends_the_wait_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(["running", "preparing"])
    error = services.converges(service.machine, "web", lambda _: None, limit=0)
    assert error == "not converged within 0 s"
    monkeypatch.setattr(services, "GRACE", 0)
    service = Service(["rejected", "rejected"])
    assert "no such image" in services.converges(service.machine, "web", lambda _: None)
