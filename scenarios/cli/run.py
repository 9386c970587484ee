"""The verbs scenario, scenarios and reproduce."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from provision.diagnostics import disk
from provision.lab import lock
from provision.lab.load import load_lab
from provision.lab.model import Lab
from provision.machine.running_lab import OpenLab
from provision.plugins import privileges
from provision.support import terminal
from provision.support.errors import CheckFailed
from provision.support.files import sweep
from scenarios.checks import diagnosis
from scenarios.cli.compare import judge_same
from scenarios.kit import discovery, requires, runner
from scenarios.kit.scenario import StepPlan
from scenarios.kit.setup import Setup
from scenarios.record import store
from scenarios.record.model import Record
from scenarios.report.write import write_reports


def scenario(
    open_lab: OpenLab,
    lab_file: str,
    name: str,
    dry: bool = False,
    walk: bool = False,
    grant: Iterable[str] = (),
) -> None:
    """Run a scenario and write its reports. Raises CheckFailed when it did not pass.

    One that the lab's kernels or engines cannot run is skipped; one that needs more machines than
    lab.toml defines is the user's to change: UserError.
    """
    lab, grants = load_lab(lab_file), privileges.granted(grant)
    chosen = discovery.get(name)
    if dry:
        runner.dry_run(chosen, lab, terminal.say)
        return
    requires.refuse(name, chosen.needs, requires.given_by(lab))
    record, folder = _play(open_lab, lab, name, walk, grants)
    if record.verdict not in ("passed", "skipped"):
        shown = os.path.relpath(folder / "report.html")
        raise CheckFailed(f"Scenario {name} did not pass.", f"Open {shown}")


def _play(
    open_lab: OpenLab,
    lab: Lab,
    name: str,
    walk: bool = False,
    grants: frozenset[privileges.Privilege] = frozenset(),
) -> tuple[Record, Path]:
    """Run a scenario and write its reports; the record, and the reports' folder.

    Raises KeyboardInterrupt after an interrupted run has been cleaned up and reported.
    """
    chosen = discovery.get(name)
    folder = store.new_folder(lab.reports, name)
    with open_lab(lab, f"scenario {name}") as running:
        # What a run that was killed left half written.
        sweep(lab.reports, "*/*", "*/raw/*")
        disk.check(running.machines)
        setup = replace(
            Setup.of(running, folder, terminal.say),
            before_step=_wait_for_reader if walk else None,
            grants=grants,
        )
        record = runner.run(chosen, setup)
        if record.verdict == "error":
            for line in disk.full(running.machines.values()):
                terminal.say(line)
                record.notes.append(line)
    record.diagnosis = diagnosis.diagnose(record)
    write_reports(record, folder)
    terminal.say(f"\n{record.verdict.upper()}: {_counts(record)}")
    if record.diagnosis:
        terminal.say(diagnosis.as_text(record.diagnosis))
    terminal.say(f"Report: {os.path.relpath(folder / 'report.html')}")
    if record.verdict == "interrupted":
        raise KeyboardInterrupt
    return record, folder


def _counts(record: Record) -> str:
    """What came of a run, or why there was none."""
    if record.missing:
        return "; ".join(record.missing)
    good, bad = record.count(True), record.count(False)
    skipped = [f"{count} skipped: {why}" for why, count in Counter(record.skipped()).items()]
    return ", ".join([f"{good} expectations passed", f"{bad} failed", *skipped])


def _wait_for_reader(plan: StepPlan) -> None:
    lines = [f"\n{plan.number}. {plan.title}", plan.why, f"$ {plan.run}" if plan.run else ""]
    terminal.say("\n   ".join(line for line in lines if line))
    Console(highlight=False).input("[dim]Enter runs it[/dim] ")


def reproduce(
    open_lab: OpenLab,
    rebuild: Callable[[Lab], object],
    lab_file: str,
    name: str,
    grant: Iterable[str] = (),
) -> None:
    """Run a scenario, rebuild, run it again, and compare.

    Raises CheckFailed where the two runs differ, or where both failed alike.
    """
    lab, grants = load_lab(lab_file), privileges.granted(grant)
    requires.refuse(name, discovery.get(name).needs, requires.given_by(lab))
    with lock.holding(lab.state, f"reproduce {name}"):
        before = _play(open_lab, lab, name, grants=grants)
        if before[0].verdict == "skipped":
            return
        rebuild(lab)
        after = _play(open_lab, lab, name, grants=grants)
    judge_same(before, after)


def list_all() -> None:
    """Every scenario, with what it shows."""
    console = Console(highlight=False)
    for found in discovery.found().values():
        number = "" if found.exercise == "-" else f"Exercise {found.exercise}: "
        console.print(f"{found.name:12} {number}{found.title}", markup=False)
