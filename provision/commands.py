"""The verbs of the command line, each as one function over the stages; tasks.py only names them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from provision import box as boxes
from provision import (
    checkpoints,
    definition,
    holding,
    lifecycle,
    lockfile,
    nodes,
    plugins,
    ssh_config,
    vagrantfile,
    versions,
)
from provision import doctor as doctors
from provision.definition import Lab
from provision.errors import CheckFailed, DefinitionError, MachineError, UserError
from provision.files import sweep
from provision.parallel import at_most
from provision.progress import Progress

if TYPE_CHECKING:
    from scenarios.kit.record import Record


def load(lab_file: str) -> Lab:
    """The lab of the file given by flag, else $SWARMRIG_LAB, else lab.toml here."""
    return definition.load(definition.find_file(lab_file))


def up(
    lab_file: str,
    parallel: int = 0,
    trust_new: bool = False,
    adopt_swarm: bool = False,
    dry: bool = False,
) -> None:
    lab = load(lab_file)
    progress = Progress()
    with at_most(parallel or None):
        if dry:
            print(lifecycle.dry_run(lab, progress, adopt_swarm))
            return
        ready = lifecycle.up(lab, progress, trust_new, adopt_swarm)
    engines = ", ".join(sorted(set(ready.engines.values())))
    progress.say(f"Lab {lab.name!r} is up: {len(lab.machines)} machines, Docker {engines}.")


def destroy(lab_file: str, name: str, purge: bool = False, parallel: int = 0) -> None:
    progress = Progress()
    lab = _lab_to_destroy(definition.find_file(lab_file), name)
    with at_most(parallel or None):
        removed = lifecycle.destroy(lab, progress, purge)
    for what in removed:
        progress.say(f"removed {what}")
    progress.say(f"Lab {lab.name!r} is gone." if removed else f"Lab {lab.name!r} was not there.")
    others = sorted(path.name for path in lab.home.glob(".swarmrig/*/") if path != lab.state)
    if others and not removed:
        progress.say(f"Here there are: {', '.join(others)} (inv destroy --name {others[0]})")
    kept = [path for path in (lab.reports, lab.home / lockfile.NAME) if path.exists()]
    if removed and kept:
        progress.say(f"kept: {', '.join(os.path.relpath(path) for path in kept)}")


def _lab_to_destroy(file: Path, name: str) -> Lab:
    """The lab of the file; where that is gone or broken, or has another name by now, as the last
    `up` had it. Raises DefinitionError or UserError where it cannot be told which."""
    kept = {copy.parent.name: copy for copy in file.parent.glob(".swarmrig/*/lab.toml")}
    there = sorted(path.name for path in file.parent.glob(".swarmrig/*/"))
    try:
        lab = definition.load(file)
        if name in {"", lab.name}:
            return lab
    except DefinitionError:
        if not name and len(there) != 1:
            if there:
                raise UserError(
                    f"{file.name} cannot be read, and there are labs {', '.join(there)} here.",
                    f"Say which: inv destroy --name {there[0]}",
                ) from None
            raise
        name = name or there[0]
    if name in kept:
        with contextlib.suppress(DefinitionError):
            return definition.load_copy(kept[name], file)
    return definition.remains(name, file)


def rebuild(lab_file: str, cold: bool) -> None:
    progress = Progress()
    lab = load(lab_file)
    begin = time.monotonic()
    lifecycle.rebuild(lab, progress, cold)
    progress.say(f"Lab {lab.name!r} is up again, after {time.monotonic() - begin:.1f} s.")


def checkpoint_save(lab_file: str, name: str) -> None:
    lab, progress = load(lab_file), Progress()
    lifecycle.save_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Checkpoint {name!r} of lab {lab.name!r} is kept.")


def checkpoint_list(lab_file: str) -> None:
    lab = load(lab_file)
    console = Console()
    there = checkpoints.listed(lab, lifecycle.provider_of(lab))
    table = Table(title=f"Checkpoints of lab {lab.name}", title_justify="left")
    for column in ("name", "kept", "of"):
        table.add_column(column)
    for name, kept in there.items():
        same = kept and kept.lab == checkpoints.fingerprint(lab)
        of = f"this {lab.file.name}" if same else f"another {lab.file.name}"
        table.add_row(name, kept.made if kept else "", of if kept else "made by other means")
    console.print(table if there else f"Lab {lab.name!r} has no checkpoints.")


def checkpoint_restore(lab_file: str, name: str) -> None:
    lab, progress = load(lab_file), Progress()
    lifecycle.restore_checkpoint(lab, checkpoints.checked(name), progress)
    progress.say(f"Lab {lab.name!r} is as it was at checkpoint {name!r}.")


def checkpoint_delete(lab_file: str, name: str) -> None:
    lab, progress = load(lab_file), Progress()
    lifecycle.delete_checkpoint(lab, checkpoints.checked(name))
    progress.say(f"Checkpoint {name!r} is deleted.")


def node(lab_file: str, verb: str, machine: str) -> None:
    """One of the verbs of `nodes.Nodes` on one machine."""
    lab = load(lab_file)
    name = lab.machine(machine).name
    progress = Progress()
    work = {
        "drain": nodes.Nodes.drain,
        "activate": nodes.Nodes.activate,
        "promote": nodes.Nodes.promote,
        "demote": nodes.Nodes.demote,
    }[verb]
    with (
        holding.holding(lab.state, f"node.{verb}"),
        lifecycle.machines_of(lab) as machines,
        progress,
    ):
        work(nodes.Nodes(machines, progress), name)
    if note := nodes.contradiction(lab, name, verb):
        progress.say(note)


def node_table(lab_file: str, as_json: bool) -> None:
    """The swarm's nodes, as a table or as JSON."""
    lab = load(lab_file)
    with lifecycle.machines_of(lab) as machines:
        rows = nodes.Nodes(machines, Progress()).table()
    console = Console()
    if as_json:
        console.print_json(json.dumps(rows))
        return
    table = Table(title=f"Nodes of lab {lab.name}", title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*row.values())
    console.print(table)


def ssh(lab_file: str, machine: str, command: str) -> int:
    """The user's own ssh client on a machine of the lab; its exit code."""
    lab = load(lab_file)
    plan = lab.machine(machine)
    with lifecycle.machines_of(lab) as machines:
        end = machines[plan.name].endpoint
    return subprocess.call(["ssh", *ssh_config.client_of(end), *([command] if command else [])])


def scenario(lab_file: str, name: str, dry: bool, walk: bool, grant: Iterable[str] = ()) -> None:
    """Run a scenario on the lab and leave its reports. Raises CheckFailed when it did not pass."""
    from scenarios.kit import run  # noqa: PLC0415 - only this verb needs scenarios
    from scenarios.kit import scenario as scenarios  # noqa: PLC0415

    lab = load(lab_file)
    grants = plugins.granted(grant)
    if dry:
        run.dry_run(scenarios.get(name), lab, _tell)
        return
    record, folder = _play(lab, name, walk, grants)
    if record.verdict != "passed":
        shown = os.path.relpath(folder / "report.html")
        raise CheckFailed(f"Scenario {name} did not pass.", f"Open {shown}")


def _tell(text: str) -> None:
    Console(highlight=False).print(text, markup=False, soft_wrap=True)


def _play(
    lab: Lab, name: str, walk: bool = False, grants: frozenset[plugins.Privilege] = frozenset()
) -> tuple[Record, Path]:
    """Run a scenario and leave its reports; the record, and the reports' folder.

    Raises KeyboardInterrupt after an interrupted run has been cleaned up and reported.
    """
    from scenarios.kit import run  # noqa: PLC0415 - only these verbs need scenarios
    from scenarios.kit import scenario as scenarios  # noqa: PLC0415
    from scenarios.report import write_reports  # noqa: PLC0415

    chosen = scenarios.get(name)
    ready = lifecycle.ready(lab)

    def wait_for_reader(plan: scenarios.StepPlan) -> None:
        lines = [f"\n{plan.number}. {plan.title}", plan.why, f"$ {plan.run}" if plan.run else ""]
        _tell("\n   ".join(line for line in lines if line))
        Console(highlight=False).input("[dim]Enter runs it[/dim] ")

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = lab.reports / f"{stamp}-{name}"
    with (
        holding.holding(lab.state, f"scenario {name}"),
        lifecycle.machines_of(lab) as machines,
    ):
        # What a run that was killed has left half written.
        sweep(lab.reports, "*/*", "*/raw/*")
        record = run.run(
            chosen,
            lab,
            machines,
            ready.image,
            ready.provider,
            ready.notes,
            versions.tools(),
            folder,
            _tell,
            wait_for_reader if walk else None,
            grants,
        )
    write_reports(record, folder)
    good, bad = record.count(True), record.count(False)
    _tell(f"\n{record.verdict.upper()}: {good} expectations passed, {bad} failed")
    _tell(f"Report: {os.path.relpath(folder / 'report.html')}")
    if record.verdict == "interrupted":
        raise KeyboardInterrupt
    return record, folder


def reproduce(lab_file: str, name: str, cold: bool, grant: Iterable[str]) -> None:
    """Run a scenario, rebuild, run it again, and compare.

    Raises CheckFailed where the two differ beyond chance, or where they agree in failing.
    """
    lab, grants = load(lab_file), plugins.granted(grant)
    with holding.holding(lab.state, f"reproduce {name}"):
        before = _play(lab, name, grants=grants)
        lifecycle.rebuild(lab, Progress(), cold)
        after = _play(lab, name, grants=grants)
    _compare(before, after)


def same(first: str, second: str) -> None:
    """Compare two reports that are there. Raises as `reproduce`, and UserError for no report."""
    from scenarios.report import load as load_report  # noqa: PLC0415 - only this verb needs it

    one, other = ((load_report(Path(folder)), Path(folder)) for folder in (first, second))
    _compare(one, other)


def compare(lab_file: str, first: str, second: str, to: str) -> None:
    """Lay two runs beside each other: report folders, or the newest runs of two scenarios."""
    from scenarios.report import compare as comparing  # noqa: PLC0415 - only this verb needs it
    from scenarios.report import load as load_report  # noqa: PLC0415
    from scenarios.report import runs  # noqa: PLC0415

    one, other = (runs.find(given, lambda: load(lab_file).reports) for given in (first, second))
    folder = Path(to) if to else other.absolute().parent / f"{one.name}-beside-{other.name}"
    comparing.write_comparison(load_report(one), load_report(other), folder)
    _tell(f"Comparison: {os.path.relpath(folder / 'comparison.html')}")


def images_save(lab_file: str, to: str, machine: str, grant: Iterable[str]) -> None:
    """Make archives of what a running lab's machines have, for labs without a registry."""
    from provision import saving  # noqa: PLC0415 - only this verb needs it

    lab, progress = load(lab_file), Progress()
    ready = lifecycle.ready(lab)
    plan = lab.machine(machine) if machine else lab.managers[0]
    folder = Path(to) if to else lab.home / "archives"
    with (
        holding.holding(lab.state, "images.save"),
        lifecycle.machines_of(lab) as machines,
        progress,
    ):
        saved = saving.save(
            lab, machines[plan.name], ready.image, folder, plugins.granted(grant), progress
        )
    for file in saved.files:
        progress.say(f"saved {os.path.relpath(file)}")
    _tell(f"In the lab.toml of a lab without a registry:\n\n{saved.hint}")


def _compare(first: tuple[Record, Path], second: tuple[Record, Path]) -> None:
    from scenarios.report.sameness import difference  # noqa: PLC0415 - only these verbs need it

    names = (os.path.relpath(first[1]), os.path.relpath(second[1]))
    told = difference(first[0], second[0], names)
    if told:
        _tell(told)
        raise CheckFailed(
            "The two runs differ.", "Above: what one run had (-) and the other (+); chance left out"
        )
    if first[0].verdict != "passed":
        raise CheckFailed(
            f"Both runs gave the same, and neither passed: {first[0].verdict}.",
            f"Open {names[0]}/report.html",
        )
    _tell("Both runs gave the same: ids, times and addresses by chance left out, all is equal.")


def lab(lab_file: str, name: str) -> None:
    """The main job: up, then a scenario, then its report."""
    up(lab_file)
    scenario(lab_file, name, dry=False, walk=False)


def logs(lab_file: str, output: str) -> None:
    """Collect what a bug report needs into one archive, without secrets."""
    from provision import logs as collecting  # noqa: PLC0415 - only this verb needs it

    lab, progress = load(lab_file), Progress()
    with progress:
        made = collecting.collect(lab, progress, Path(output) if output else None)
    _tell(f"{os.path.relpath(made)}: look through it before you hand it on")


def lock(lab_file: str, update: bool) -> None:
    """Tell how the lab differs from swarmrig.lock; with `update` take what is there now."""
    lab = load(lab_file)
    if not (lab.state / "ready.json").exists():
        _lock_of_none(lab, update)
        return
    ready = lifecycle.ready(lab)
    seen = lockfile.with_tools(lockfile.of_up(ready.made), ready.provider)
    locked = lockfile.read(lab, ready.provider)
    if update:
        with holding.holding(lab.state, "lock --update"):
            lockfile.write(lab, ready.provider, seen)
    for line in lockfile.differences(locked, seen) if locked else ["nothing is locked yet"]:
        _tell(line)
    where = f"{lockfile.NAME}, {lab.name}, {lockfile.place(ready.provider)}"
    _tell(f"{where}: {'written' if update else 'see above' if locked != seen else 'all the same'}")


def _lock_of_none(lab: Lab, update: bool) -> None:
    """Without a lab that is up there is nothing to compare; an update lets the next one choose."""
    provider = "hosts"
    if lab.provider != "hosts":
        from provision.providers import vagrant  # noqa: PLC0415 - only for virtual machines

        provider, _ = vagrant.choose_provider(lab)
    where = f"{lockfile.NAME}, {lab.name}, {lockfile.place(provider)}"
    locked = lockfile.read(lab, provider)
    if update:
        lockfile.write(lab, provider, None)
        _tell(f"{where}: forgotten; the next `inv up` takes what there is then")
    elif locked:
        _tell(f"{where}:\n{json.dumps(asdict(locked), indent=2)}")
    else:
        _tell(f"{where}: nothing is locked yet")


def doctor(lab_file: str) -> None:
    """Tell what this host can run. Raises MachineError where something needed is missing."""
    console = Console(highlight=False)
    marks = {"ok": "✓", "absent": "·", "warning": "!", "missing": "✗"}
    findings = doctors.examine(load(lab_file))
    for finding in findings:
        console.print(f"{marks[finding.state]} {finding.what}", markup=False, soft_wrap=True)
        if finding.advice:
            console.print(f"    {finding.advice}", markup=False, soft_wrap=True)
    if any(finding.state == "missing" for finding in findings):
        raise MachineError("This host cannot run the lab yet.", "See the lines with ✗ above.")


def render(lab_file: str) -> None:
    """Print the Vagrantfile as `up` would write it, or as it has."""
    from provision.providers import vagrant  # noqa: PLC0415 - only for labs of virtual machines

    lab = load(lab_file)
    there = vagrant.VagrantProvider.from_state(lab)
    plan = there.plan if there else vagrant.plan(lab, Progress())
    Console().file.write(vagrantfile.render(lab, plan))


def box(docker: bool) -> None:
    """Build the box, or say that it is there."""
    made = boxes.build(docker, log=Progress().say)
    Progress().say(f"{made.name} {made.version}: {made.path}")


def scenarios_table() -> None:
    """Every scenario, with what it shows."""
    from scenarios.kit import scenario as scenarios  # noqa: PLC0415

    console = Console(highlight=False)
    for found in scenarios.found().values():
        console.print(f"{found.name:12} Exercise {found.exercise}: {found.title}", markup=False)
