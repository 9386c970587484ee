"""What is wrong with a service, from its tasks."""

from __future__ import annotations

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
