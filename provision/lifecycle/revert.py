"""What was done to hosts that exist already, undone: by the journal, and by nothing else.

Each stage undoes its own changes; here is their order.
"""

from __future__ import annotations

from provision.changes.journal import Journal, of_lab
from provision.changes.outcome import Outcome
from provision.engine import daemon_config, images, names, proxy, script, settings, uninstall
from provision.faults import making
from provision.lab.model import Lab
from provision.machine.machine import Machine, connected
from provision.plugins import install as plugin
from provision.providers.base import Provider
from provision.support.errors import MachinesError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.swarm import labelled, leave, left_behind


def revert(lab: Lab, provider: Provider, purge: bool, progress: Progress) -> list[str]:
    """Undo what the journal records for existing hosts; what was undone, in words.

    What is left on purpose is reported through `progress`, with the reason. Raises MachinesError
    for hosts that could not be reached or undone.
    """
    journal = of_lab(lab)
    if not journal.hosts():
        return []
    outcome = Outcome()
    with connected(lab, provider.endpoints()) as machines:
        try:
            _undo_all(machines, journal, purge, outcome, progress)
        finally:
            for what in outcome.left:
                progress.say(f"left {what}")
    return outcome.removed


def leftovers(lab: Lab) -> list[str]:
    """What should be undone and is not: a host that is not in lab.toml any more has such."""
    journal = of_lab(lab)
    here = {machine.name for machine in lab.machines}
    return [
        f"{name}: {entry.what}"
        + ("" if name in here else f" (put {name} back into {lab.file.name} to undo it)")
        for name in journal.hosts()
        for entry in journal.of(name)
        if entry.kind not in uninstall.KINDS
    ]


def _undo_all(
    machines: dict[str, Machine],
    journal: Journal,
    purge: bool,
    outcome: Outcome,
    progress: Progress,
) -> None:
    """Undo all that can be. A host that fails in one phase is left out of those that follow."""
    ours = [machines[name] for name in journal.hosts() if name in machines]

    def faults(machine: Machine) -> None:
        for entry in journal.of(machine.name):
            if entry.kind == "fault":
                making.undo(machine, entry)
                journal.forget(machine.name, entry)

    def scenarios(machine: Machine) -> None:
        left_behind.undo(machine, machines.values(), journal, outcome)

    def measurements(machine: Machine) -> None:
        labelled.undo(machine, journal, outcome)

    def swarm(machine: Machine) -> None:
        leave.undo(machine, machines, journal, outcome, progress)

    def rest(machine: Machine) -> None:
        _rest(machine, journal, purge, outcome, progress)

    # Workers leave first: a manager that is gone can tell nobody that they have left.
    phases = (
        ("logging in", ours, lambda machine: machine.connect()),
        # A daemon that stands still, or hosts that do not hear each other, can undo nothing.
        ("healing faults", ours, faults),
        ("removing what scenarios have left", ours, scenarios),
        ("removing what measurements have left", ours, measurements),
        ("leaving the swarm", [m for m in ours if m.plan.role == "worker"], swarm),
        ("leaving the swarm", [m for m in ours if m.plan.role == "manager"], swarm),
        ("undoing", ours, rest),
    )
    failures: dict[str, BaseException] = {}
    for label, some, work in phases:
        try:
            run_on_all(label, [m for m in some if m.name not in failures], work, progress)
        except MachinesError as error:
            failures.update(error.failures)
    if failures:
        raise MachinesError(
            "undoing",
            failures,
            [machine.name for machine in ours if machine.name not in failures],
            note="What was done to them is still in the journal: inv destroy resumes from here.",
        )


def _rest(
    machine: Machine, journal: Journal, purge: bool, outcome: Outcome, progress: Progress
) -> None:
    """Images, plugins and settings, latest first; what was installed only with `purge`."""
    for entry in reversed(journal.of(machine.name)):
        progress.phase(machine.name, f"undoing: {entry.what}")
        if entry.kind == "image":
            images.undo(machine, entry, outcome)
        elif entry.kind == "plugin":
            plugin.undo(machine, entry, outcome)
        elif entry.kind == "names":
            names.undo(machine, entry, outcome)
        elif entry.kind == "script":
            script.undo(machine, entry, outcome)
        elif entry.kind == "proxy":
            proxy.undo(machine, outcome, progress)
        elif entry.kind == "settings":
            settings.undo(machine, entry, outcome, progress)
        elif entry.kind == "setting":
            daemon_config.undo(machine, entry, outcome, progress)
        elif entry.kind in uninstall.KINDS:
            if not purge:
                outcome.left.append(f"{machine.name}: {entry.what} (--purge undoes it)")
                continue
            if not uninstall.undo(machine, entry, outcome, progress):
                continue
        journal.forget(machine.name, entry)
    progress.done(machine.name, "undone")
