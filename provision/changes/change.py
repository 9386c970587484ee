"""What `up` would do to a machine: plain data, made from facts, printed or carried out.

Each stage (engine, images, swarm) has one function from facts to changes. `up --dry-run` prints
what they give, `up` does it: there is no second opinion on what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from provision.machine.machine import Machine
from provision.support.parallel import run_on_all
from provision.support.progress import Progress

Kind = Literal[
    "clock",
    "names",
    "disk",
    "proxy",
    "packages",
    "daemon",
    "group",
    "setting",
    "settings",
    "script",
    "image",
    "plugin",
    "scenario",
    "measure",
    "fault",
    "swarm-adopt",
    "swarm-leave",
    "swarm-init",
    "swarm-recover",
    "swarm-join",
    "swarm-promote",
    "swarm-demote",
    "swarm-entry",
]


@dataclass(frozen=True)
class Change:
    """One change to one machine. `what` says it in words; `script` is the shell text of it.

    `items` are what it is about: lines of /etc/hosts, packages, a login, image references, a
    plugin's reference, services and networks of a scenario ("service web"), a role, a node's id.
    """

    machine: str
    kind: Kind
    what: str
    items: tuple[str, ...] = ()
    script: str = ""


Do = Callable[[Machine, Change], None]


def carry_out(
    what: str,
    machines: dict[str, Machine],
    changes: Iterable[Change],
    do: Do,
    progress: Progress,
) -> None:
    """Do the changes, all machines at once, each machine's own in their order.

    A machine whose change fails is left there, the others continue. Raises MachinesError.
    """
    todo: dict[str, list[Change]] = {}
    for change in changes:
        todo.setdefault(change.machine, []).append(change)

    def work(machine: Machine) -> None:
        for change in todo[machine.name]:
            progress.phase(machine.name, change.what)
            do(machine, change)

    run_on_all(
        what, [machine for name, machine in machines.items() if name in todo], work, progress
    )


def as_text(machines: Iterable[str], changes: Iterable[Change]) -> str:
    """The changes as text for people: each machine, and what would be done to it in which order."""
    by_machine: dict[str, list[Change]] = {name: [] for name in machines}
    for change in changes:
        by_machine[change.machine].append(change)
    lines = []
    for name, own in by_machine.items():
        lines.append(f"{name}:" if own else f"{name}: nothing to do")
        for change in own:
            lines.append(f"  - {change.what}")
            lines += [f"      {line}" for line in change.script.splitlines()]
    return "\n".join(lines)
