"""The verb `status`: as a table or as JSON, once or repeatedly.

Separate from the other verbs, whose modules take as long to load as a manager takes to answer.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from provision.lab import load
from provision.lab.lockfile import NAME
from provision.lab.model import Lab
from provision.lifecycle import status


def show(lab_file: str, as_json: bool, watch: bool) -> None:
    """Show the status once, or until Ctrl-C. As JSON, each answer is one document."""
    lab = load.load(load.find_file(lab_file))
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(lab, as_json)
    elif as_json:
        Console().print_json(json.dumps(status.look(lab)))
    else:
        Console().print(_status(status.look(lab)))


def _watch(lab: Lab, as_json: bool) -> None:
    if as_json:
        for said in status.watching(lab):
            print(json.dumps(said), flush=True)
        return
    with Live(console=Console(), auto_refresh=False) as live:
        for said in status.watching(lab):
            live.update(_status(said), refresh=True)


def _status(said: dict[str, Any]) -> Group:
    table = Table(title=f"Lab {said['lab']} ({said['provider'] or 'not up'})", title_justify="left")
    for column in ("machine", "role", "address", "state", "engine", "node"):
        table.add_column(column)
    for row in said["machines"]:
        table.add_row(*(row[k] for k in ("name", "role", "address", "state", "engine", "node")))
    lines = [f"network {n['name']}: {n['driver']}, {n['scope']}" for n in said["networks"]]
    lines += [f"service {service}" for service in said["services"]]
    lines += [f"differs from {NAME}: {line}" for line in said["differs"]]
    lines += [f"fault {line}" for line in said["faults"]]
    return Group(table, *(Text(line) for line in lines))
