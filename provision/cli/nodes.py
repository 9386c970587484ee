"""The verbs `node.ls`, `.drain`, `.activate`, `.promote` and `.demote`."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from provision.lab import load, lock
from provision.lifecycle import applied, running
from provision.support.progress import Progress
from provision.swarm import nodes


def change(lab_file: str, verb: str, machine: str) -> None:
    """One of the verbs of `nodes.Nodes` on one machine."""
    lab = load.load_lab(lab_file)
    name = applied.current(lab).machine(machine).name
    nodes.refuse_adopted(applied.journal_of(lab.files), name, verb)
    progress = Progress()
    work = {
        "drain": nodes.Nodes.drain,
        "activate": nodes.Nodes.activate,
        "promote": nodes.Nodes.promote,
        "demote": nodes.Nodes.demote,
    }[verb]
    with (
        lock.holding(lab.state, f"node.{verb}"),
        running.machines_of(lab) as machines,
        progress,
    ):
        work(nodes.Nodes(machines, progress), name)
    here = any(one.name == name for one in lab.machines)
    if here and (note := nodes.contradiction(lab, name, verb)):
        progress.say(note)


def show(lab_file: str, as_json: bool) -> None:
    """The swarm's nodes, as a table or as JSON."""
    lab = load.load_lab(lab_file)
    with running.machines_of(lab, looks=True) as machines:
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
