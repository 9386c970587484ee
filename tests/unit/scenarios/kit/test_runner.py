"""Commands of a step, with names filled in."""

from __future__ import annotations

from scenarios.kit.setup import fill


def test_names_are_filled_in_and_go_templates_left_alone() -> None:
    assert fill("docker inspect {task1}", {"task1": "x"}) == "docker inspect x"
    assert fill("docker inspect {task1}", {}) == "docker inspect <task1>"
    assert fill("--format '{{.Name}}'", {}) == "--format '{{.Name}}'"
