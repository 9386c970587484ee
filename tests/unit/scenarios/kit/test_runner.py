"""Commands of a step, with names filled in."""

from __future__ import annotations

from scenarios.kit import runner


def test_names_are_filled_in_and_go_templates_left_alone() -> None:
    assert runner.fill("docker inspect {task1}", {"task1": "x"}) == "docker inspect x"
    assert runner.fill("docker inspect {task1}", {}) == "docker inspect <task1>"
    assert runner.fill("--format '{{.Name}}'", {}) == "--format '{{.Name}}'"
