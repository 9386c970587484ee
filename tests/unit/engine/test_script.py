"""The lab's own scripts on a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import script
from provision.lab import load
from provision.lab.model import Lab
from provision.support.errors import MachineError
from tests.support.progress import quiet
from tests.unit.engine.shell_machine import ShellMachine

ODD = "a 'b' $(c) `d` #{e}.sh"


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    made: Any = ShellMachine(tmp_path, "m")
    made.address = "192.168.56.11"
    (tmp_path / "var" / "lib").mkdir(parents=True)
    return made


@pytest.fixture(params=["own", "existing"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.json" if request.param == "existing" else None)


def lab(folder: Path, **scripts: str) -> Lab:
    """A lab with a script for all machines (`every`), and one of "m" alone (`own`)."""
    tables = ['[[machines]]\nname = "m"\n', '[[machines]]\nname = "n"\n']
    top = ""
    if "every" in scripts:
        (folder / ODD).write_text(scripts["every"])
        top = f'provision = "{ODD}"\n'
    if "own" in scripts:
        (folder / "own.sh").write_text(scripts["own"])
        tables[0] += 'provision = "own.sh"\n'
    (folder / "lab.toml").write_text(top + "".join(tables))
    return load.load(folder / "lab.toml")


def bring(machine: Any, made: Lab, journal: Journal) -> list[str]:
    machine.plan = made.machine("m")
    changes = script.plan(made, machine, journal)
    for change in changes:
        script.apply(made, machine, change, journal, quiet())
    return [change.what for change in changes]


def test_the_labs_script_runs_before_the_machines_own_and_both_once(
    machine: Any, tmp_path: Path, journal: Journal
) -> None:
    every = 'echo "$SWARMRIG_LAB $SWARMRIG_MACHINE $SWARMRIG_ROLE" >> "$ROOT/out"'
    own = '#!/bin/bash\nset -o pipefail; echo "own $SWARMRIG_ADDRESS" | tee -a "$ROOT/out"'
    made = lab(tmp_path, every=every, own=own)
    assert bring(machine, made, journal) == [f"run {ODD}", "run own.sh"]
    out = (tmp_path / "out").read_text()
    assert out.splitlines() == ["book m manager", "own 192.168.56.11"]
    assert bring(machine, made, journal) == []
    log = script.log_of(made, "m", "own.sh")
    assert log.read_text() == "own 192.168.56.11\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "var/lib/swarmrig/script").exists()
    assert (tmp_path / "var/lib/swarmrig").exists() is not journal.existing


def test_one_that_has_changed_runs_again_and_only_that(
    machine: Any, tmp_path: Path, journal: Journal
) -> None:
    bring(machine, lab(tmp_path, every="true", own="true"), journal)
    changed = lab(tmp_path, every="true", own="true # more")
    assert bring(machine, changed, journal) == ["run own.sh again, which has changed"]
    assert bring(machine, changed, journal) == []
    assert len(journal.about("m", "script", ("own.sh",))) <= 1


def test_one_that_fails_is_told_by_its_last_lines_and_runs_again(
    machine: Any, tmp_path: Path, journal: Journal
) -> None:
    made = lab(tmp_path, own="for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; exit 7")
    with pytest.raises(MachineError) as caught:
        bring(machine, made, journal)
    assert str(caught.value) == (
        "m: own.sh ended with 7: line 3 / line 4 / line 5 / line 6 / line 7"
    )
    assert str(script.log_of(made, "m", "own.sh")) in caught.value.advice
    assert caught.value.exit_code == 3
    assert bring(machine, lab(tmp_path, own="true"), journal) == ["run own.sh"]


def test_a_machine_that_was_recreated_runs_it_again(machine: Any, tmp_path: Path) -> None:
    made = lab(tmp_path, own="true")
    bring(machine, made, Journal())
    (tmp_path / "var/lib/swarmrig/scripts").unlink()
    assert bring(machine, made, Journal()) == ["run own.sh"]


def test_a_machine_without_scripts_is_asked_nothing(machine: Any, tmp_path: Path) -> None:
    assert script.plan(lab(tmp_path), machine, Journal()) == []
    assert machine.commands == []


def test_what_it_did_stays_and_is_told(machine: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    bring(machine, lab(tmp_path, own="true"), journal)
    outcome = Outcome()
    script.undo(machine, journal.of("m")[0], outcome)
    assert outcome.left == ["what own.sh did on m: it is not undone"]


def test_one_outside_of_the_labs_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    made = lab(tmp_path / "lab", own="true")
    assert script.notes(made) == []
    (tmp_path / "lab" / "own.sh").unlink()
    (tmp_path / "lab" / "own.sh").symlink_to(tmp_path / "far.sh")
    (tmp_path / "far.sh").write_text("true")
    assert script.notes(load.load(made.file)) == [
        f"provision: own.sh is outside of the lab's folder: {tmp_path}/far.sh"
    ]
