"""A run that is recorded here can be played again without machines, with the same record."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from provision.lab.model import Lab
from provision.lifecycle import running
from scenarios.kit import runner
from scenarios.overlay import overlay
from scenarios.record.diff import difference
from tests.hosts import root as roots
from tests.support.tape import Tape, recorded
from tests.unit.scenarios.played import KEPT, play

# Write the tape that the unit tier plays: SWARMRIG_RECORD=1 pytest tests/hosts/test_tape.py
RECORD = "SWARMRIG_RECORD"


def test_a_recorded_run_plays_again_with_the_same_record(lab: Lab, tmp_path: Path) -> None:
    tape = Tape()
    with running.machines_of(lab) as machines:
        taped = {name: recorded(machine, tape) for name, machine in machines.items()}
        setup = runner.Setup(
            lab=lab,
            machines=taped,
            image=roots.TAG,
            provider="hosts",
            folder=tmp_path / "first",
            tell=lambda _: None,
            before_step=lambda plan: tape.enter(plan.number),
        )
        first = runner.run(overlay, setup)
        api = str(next(iter(machines.values())).docker.api.api_version)
    about: dict[str, Any] = {
        "api": api,
        "image": roots.TAG,
        "machines": [{**asdict(machine), "access": None} for machine in lab.machines],
        "record": first.model_dump(mode="json"),
    }
    file = tape.write(KEPT if os.environ.get(RECORD) else tmp_path / "overlay.json", **about)
    again = play(file, tmp_path / "again")
    assert difference(first, again) == ""
    assert [s.expectations for s in again.steps] == [s.expectations for s in first.steps]
