"""Records a run of a scenario on a lab, and plays it again without any."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from provision.lab.model import Lab
from provision.lifecycle import running
from scenarios.kit import runner
from scenarios.kit.setup import Setup
from scenarios.record import model
from scenarios.record.diff import difference
from tests.hosts import root as roots
from tests.support.tape import Tape, recorded
from tests.unit.scenarios.played import PLAYED, SKIPPED, failed, play, skipped

# Write the tapes that the unit tier plays:
# SWARMRIG_RECORD=1 pytest tests/hosts/test_tape.py tests/hosts/test_failures.py,
# and python -m tests.vm.tape on virtual machines
RECORD = "SWARMRIG_RECORD"


def tape_again(
    name: str, lab: Lab, folder: Path, provider: str = "hosts", image: str = roots.TAG
) -> model.Record:
    """Record a run of the scenario, play it, and compare the two."""
    one = PLAYED[name]
    tape = Tape()
    with running.machines_of(lab) as machines, tape.steps() as before_step:
        taped = {name: recorded(machine, tape) for name, machine in machines.items()}
        setup = Setup(
            lab=lab,
            machines=taped,
            image=image,
            provider=provider,
            folder=folder / "first",
            tell=lambda _: None,
            before_step=before_step,
        )
        first = runner.run(one.scenario, setup)
        tape.keep_lines(first)
        api = str(next(iter(machines.values())).docker.api.api_version)
    about: dict[str, Any] = {
        "api": api,
        "image": image,
        "provider": provider,
        "machines": [{**asdict(machine), "access": None} for machine in lab.machines],
        "plugin": lab.weave.settings if lab.weave else None,
        "record": first.model_dump(mode="json"),
    }
    assert failed(first) == []
    assert skipped(first) == SKIPPED.get(name, set())
    file = tape.write(one.tape if os.environ.get(RECORD) else folder / one.tape.name, **about)
    again = play(dataclasses.replace(one, tape=file), folder / "again")
    assert difference(first, again) == ""
    assert [s.expectations for s in again.steps] == [s.expectations for s in first.steps]
    return first
