"""The verb measure: network drivers against each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from provision.diagnostics import disk
from provision.lab.load import load_lab
from provision.machine.running_lab import OpenLab
from provision.plugins import privileges
from provision.support import terminal
from provision.support.errors import MachineError
from provision.support.files import sweep
from scenarios.drivers.weave import WEAVE
from scenarios.kit.driver import Driver
from scenarios.kit.setup import Setup
from scenarios.measure.run import Wanted, check
from scenarios.measure.run import measure as measure_on
from scenarios.record import measured, store
from scenarios.record.measured import Measurement
from scenarios.report import measured as pages

PLUGINS: Mapping[str, Driver] = {"weave": WEAVE}
_ASIDE = 2.5  # seconds that each driver takes in a round beside its sending, on quick machines


def measure(
    open_lab: OpenLab,
    lab_file: str,
    drivers: Sequence[str],
    rounds: int,
    seconds: int,
    as_json: bool = False,
    grant: Iterable[str] = (),
) -> None:
    """Measure drivers and write the pages.

    Raises MachineError where it failed on its way, KeyboardInterrupt after an interrupted one has
    been cleaned up and reported.
    """
    lab, grants = load_lab(lab_file), privileges.granted(grant)
    wanted = Wanted(tuple(drivers), rounds, seconds)
    check(wanted, lab, PLUGINS)
    folder = store.new_folder(lab.reports, "measure")
    tell = (lambda _: None) if as_json else terminal.say
    with open_lab(lab, f"measure {' '.join(drivers)}") as running:
        sweep(lab.reports, "*/*", "*/raw/*")
        disk.check(running.machines)
        tell(_takes(wanted))
        setup = replace(Setup.of(running, folder, tell), grants=grants)
        record = measure_on(wanted, setup, PLUGINS)
    pages.write_pages(record, folder)
    if as_json:
        terminal.say(measured.dump(record).rstrip())
    shown = os.path.relpath(folder / "measure.html")
    if record.verdict == "interrupted":
        tell("interrupted: too few rounds for a result; all that was made for it is removed")
    for line in [*_told(record), f"Report: {shown}"]:
        tell(line)
    if record.verdict == "error":
        first, _, advice = record.reason.partition("\n  ")
        raise MachineError(first, advice)
    if record.verdict == "interrupted":
        raise KeyboardInterrupt


def _takes(wanted: Wanted) -> str:
    count = len(wanted.drivers)
    minutes = count * wanted.rounds * (wanted.seconds + _ASIDE) / 60
    return (
        f"{count} x {wanted.rounds} rounds of {wanted.seconds} s: "
        f"about {max(1, round(minutes))} min on quick machines"
    )


def _told(record: Measurement) -> list[str]:
    """What a person reads at the end: each driver, and each pair's verdict."""
    lines = [
        f"  {one.driver}: {one.throughput}, round trip {one.rtt}, CPU per gigabit {one.cpu}"
        for one in pages.figures(record)
    ]
    if record.emulated and record.results:
        lines.append("  The machines are emulated: only ratios mean something.")
    pairs = record.results.pairs if record.results else []
    return [*lines, *(pair.words for pair in pairs)]


def drivers(lab_file: str) -> list[tuple[str, str]]:
    """What can be measured, for the list of choices."""
    return [
        ("overlay", "an attachable overlay network"),
        ("bridge", "a bridge network on each machine, and a published port"),
        ("host", "the machines' own networks"),
        *([("weave", "the plugin of lab.toml's [weave]")] if load_lab(lab_file).weave else []),
    ]
