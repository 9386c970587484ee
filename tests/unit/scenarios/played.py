"""A recorded run of the overlay exercise, played without machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import tenacity
import tenacity.nap

from provision.lab.model import Lab, MachineSpec
from scenarios.kit import runner
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.overlay import overlay
from scenarios.record import model
from tests.support.tape import Tape, played

# Recorded on light hosts by tests/hosts/test_tape.py, which says how to do it again.
KEPT = Path(__file__).parent / "tapes" / "overlay.json"


class Clock:
    """A clock that waiting moves on at once: what was recorded does not change by itself."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def lab_of(document: dict[str, Any], folder: Path) -> Lab:
    """The lab that the run was recorded on."""
    return Lab(
        name="t",
        file=folder / "lab.toml",
        provider="hosts",
        box="auto",
        box_version=None,
        machines=tuple(MachineSpec(**machine) for machine in document["machines"]),
        subnet="10.77.0.0/24",
        management_subnet="192.168.121.0/24",
        docker_version="distribution",
        image=document["image"],
    )


def play(
    file: Path,
    folder: Path,
    scenario: Scenario = overlay,
    change: Callable[[Tape], object] = lambda _: None,
) -> model.Record:
    """The record of the run, judged again from what was recorded; `change` breaks that before."""
    document = json.loads(file.read_text())
    tape = Tape.read(document)
    change(tape)
    lab = lab_of(document, folder)
    machines = {m.name: played(m, tape, document["api"]) for m in lab.machines}

    def at(plan: StepPlan) -> None:
        tape.enter(plan.number)

    setup = runner.Setup(
        lab=lab,
        machines=machines,
        image=document["image"],
        provider="hosts",
        folder=folder / "report",
        tell=lambda _: None,
        before_step=at,
    )
    clock = Clock()
    with mock.patch.object(tenacity, "time", clock), mock.patch.object(tenacity.nap, "time", clock):
        return runner.run(scenario, setup)
