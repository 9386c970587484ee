"""The overlay exercise without a machine."""

from __future__ import annotations

from pathlib import Path

from provision.lab.load import load
from scenarios.kit import runner
from scenarios.overlay import overlay

CLONE = Path(__file__).parents[3]


def test_the_overlay_exercise_has_all_its_steps_in_order() -> None:
    assert [plan.number for plan in overlay.steps] == [str(n) for n in range(1, 18)]


def test_a_dry_run_tells_every_step_and_command() -> None:
    told: list[str] = []
    runner.dry_run(overlay, load(CLONE / "lab.toml"), told.append)
    assert sum(". " in line[:5] for line in told) == 17
    assert any("docker network create -d overlay --subnet 172.45.0.0/16" in t for t in told)
