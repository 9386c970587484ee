"""The verb atlas: every kind of network that this lab can have, on one page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from provision.lab.load import load_lab
from provision.lab.model import Lab
from provision.machine.running_lab import OpenLab, RunningLab
from provision.support import terminal
from provision.support.errors import CheckFailed, UserError
from scenarios.checks import diagnosis
from scenarios.kit import discovery, requires, runner
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup
from scenarios.record import store, throughput
from scenarios.record.model import Record
from scenarios.report.atlas import Source, write_atlas
from scenarios.report.write import write_reports


def atlas(
    open_lab: OpenLab, lab_file: str, only: Iterable[str] = (), from_reports: bool = False
) -> None:
    """Run the atlas's scenarios and make the page; or make it from the newest reports.

    A scenario that needs what the lab lacks is skipped, and so is one that is refused. Raises
    CheckFailed where one did not pass, and UserError for a scenario that is none of the atlas's.
    """
    lab, chosen = load_lab(lab_file), _chosen(only)
    sources = _reports(lab, chosen) if from_reports else _run(open_lab, lab, chosen)
    page = write_atlas(sources, _folder(lab), throughput.newest(lab.reports))
    terminal.say(f"Atlas: {os.path.relpath(page)}")
    bad = [r.scenario for _, r in sources if r.verdict not in ("passed", "skipped")]
    if bad and not from_reports:
        raise CheckFailed(f"Not passed: {', '.join(bad)}.", f"Open {os.path.relpath(page)}")


def _chosen(only: Iterable[str]) -> list[Scenario]:
    known = {name: one for name, one in discovery.found().items() if one.atlas}
    names = list(only) or sorted(known)
    for name in names:
        if name not in known:
            raise UserError(
                f"The atlas has no scenario {name!r}.", f"It has: {', '.join(sorted(known))}."
            )
    return [known[name] for name in names]


def _folder(lab: Lab) -> Path:
    return store.new_folder(lab.reports, "atlas")


def _reports(lab: Lab, chosen: Sequence[Scenario]) -> list[Source]:
    """The newest report of each scenario that has one. Raises UserError where none has."""
    found: list[Source] = []
    for one in chosen:
        folders = sorted(lab.reports.glob(f"*-{one.name}/report.json"))
        if folders:
            found.append((folders[-1].parent, store.load(folders[-1].parent)))
    if not found:
        raise UserError(
            f"{lab.reports} has no report of a scenario of the atlas.", "Run them: inv atlas"
        )
    return found


def _run(open_lab: OpenLab, lab: Lab, chosen: Sequence[Scenario]) -> list[Source]:
    with open_lab(lab, "atlas") as running:
        probed = requires.Probed()
        return [_play(running, one, probed) for one in chosen]


def _play(running: RunningLab, scenario: Scenario, probed: requires.Probed) -> Source:
    """Run one scenario and write its reports. Raises KeyboardInterrupt as `inv scenario` does."""
    terminal.say(f"\n{scenario.name}: {scenario.title}")
    folder = store.new_folder(running.lab.reports, scenario.name)
    setup = replace(Setup.of(running, folder, terminal.say), probed=probed)
    try:
        record = runner.run(scenario, setup)
    except UserError as error:
        # Somebody else's container has one of its names, say: the others can run all the same.
        record = runner.refused(scenario, setup, str(error).removesuffix("."))
    record.diagnosis = diagnosis.diagnose(record)
    write_reports(record, folder)
    terminal.say(f"{record.verdict.upper()}{_why(record)}")
    if record.verdict == "interrupted":
        raise KeyboardInterrupt
    return folder, record


def _why(record: Record) -> str:
    if record.missing:
        return f": {'; '.join(record.missing)}"
    return f": {record.diagnosis.cause}" if record.diagnosis else ""
