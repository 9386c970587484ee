"""The verbs `fault.ls`, `fault.heal`, and those that make a fault."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace

from rich.console import Console
from rich.table import Table

from provision.changes import journal
from provision.faults.fault import Fault, checked_seconds
from provision.faults.making import Active, Faults
from provision.lab import load
from provision.lifecycle import running
from provision.support.errors import UserError
from provision.support.progress import Progress


def make(lab_file: str, fault: Fault, seconds: str) -> None:
    """Make a fault and say when it ends."""
    lasting = checked_seconds(number("--for", seconds))
    with _faults(lab_file, f"fault.{fault.kind}") as faults:
        made = faults.make(fault, lasting)
    Progress().say(
        f"{made.fault.words()}. It heals by itself in {lasting:g} s; now: inv fault.heal"
    )


def number(option: str, given: str) -> float:
    """A number that was given. Raises UserError for what is none."""
    try:
        return float(given)
    except ValueError:
        raise UserError(f"{option}: given {given!r}; allowed: a number") from None


def show(lab_file: str, as_json: bool) -> None:
    """The lab's faults, as a table or as JSON."""
    with _faults(lab_file, "") as faults:
        found = _kept_secret(faults.listed())
    console = Console()
    if as_json:
        console.print_json(json.dumps([asdict(one) for one in found]))
        return
    if not found:
        console.print("No faults.")
        return
    table = Table(title="Faults", title_justify="left")
    for column in ("machine", "kind", "heals in", "fault", "id"):
        table.add_column(column)
    for one in found:
        table.add_row(one.machine, one.kind, f"{one.left} s", one.words, one.fault_id)
    console.print(table)


def _kept_secret(found: list[Active]) -> list[Active]:
    """Of what somebody is to find, one line that does not say where it is."""
    shown = [one for one in found if not one.secret]
    if secret := [one for one in found if one.secret]:
        newest = max(secret, key=lambda one: one.left)
        shown.append(replace(newest, machine="", fault_id=""))
    return shown


def heal(lab_file: str, machine: str) -> None:
    """Heal all faults, or those that a machine has a part in."""
    with _faults(lab_file, "fault.heal") as faults:
        found = faults.heal_all(machine)
    progress = Progress()
    for words in dict.fromkeys(f"healed {one.kind}: {one.words}" for one in found):
        progress.say(words)
    if not found:
        progress.say("There are no faults to heal.")


@contextlib.contextmanager
def _faults(lab_file: str, verb: str) -> Iterator[Faults]:
    """The faults of a lab that is up; other verbs are refused meanwhile, where `verb` is given."""
    lab = load.load_lab(lab_file)
    opened = running.opened(lab, verb) if verb else running.viewed(lab, verb)
    with opened as up:
        yield Faults(up.lab, up.machines, journal.of_lab(up.lab))
