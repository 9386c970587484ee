"""The definition that a lab was brought up with, as kept in its state.

lab.toml can be edited, moved or broken at any time. What exists was made from the kept copies: the
applied one, and while an `up` is not finished, the pending one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from provision.changes.journal import Journal
from provision.lab import load
from provision.lab.model import Lab, MachineSpec
from provision.lab.state import LabState
from provision.support.errors import DefinitionError, UserError
from provision.support.files import write_atomic


def is_hosts(lab: Lab) -> bool:
    """Whether the lab is defined over existing hosts, rather than virtual machines."""
    return lab.provider == "hosts"


def holds(files: LabState) -> str:
    """What a state folder holds: "vms", "hosts", or "" where nothing was made yet."""
    if files.plan.exists() or files.machines():
        return "vms"
    return "hosts" if files.journal.exists() else ""


def fits(lab: Lab) -> bool:
    """Whether lab.toml asks for the kind of machines that the state holds, if it holds any."""
    kind = holds(lab.files)
    return not kind or is_hosts(lab) == (kind == "hosts")


def earlier(lab: Lab) -> list[Lab]:
    """The kept definitions, the applied one first; only those of the kind that the state holds."""
    found = []
    for copy in lab.files.definitions:
        # A broken copy says nothing; what exists is found by the other files.
        with suppress(DefinitionError):
            found.append(load.load_copy(copy, lab.file))
    return [one for one in found if fits(one)]


def existing(lab: Lab) -> Lab:
    """The lab with every machine that may exist: applied, pending, made by Vagrant, or in lab.toml.

    Where the state holds another kind of machines than lab.toml, that of the state. Raises
    UserError where nothing says how to reach the hosts.
    """
    kind = holds(lab.files)
    kept = earlier(lab)
    base = lab
    if not fits(lab):
        if not kept and kind == "hosts":
            raise UserError(
                f"Lab {lab.name!r} was made on existing hosts, and nothing says how to reach them.",
                f'Restore the {lab.file.name} with provider = "hosts" and try again.',
            )
        base = kept[0] if kept else load.remains(lab.name, lab.file)
    machines = {machine.name: machine for machine in base.machines}
    for one in kept:
        for machine in one.machines:
            machines.setdefault(machine.name, machine)
    if kind == "vms":
        for name in lab.files.machines():
            machines.setdefault(name, _unknown(base, name))
    return replace(base, machines=tuple(machines.values()))


def _unknown(lab: Lab, name: str) -> MachineSpec:
    """A machine of which no definition is kept: only its name is used, to destroy it."""
    return replace(lab.machines[0], name=name, role="worker")


def current(lab: Lab) -> Lab:
    """The lab as it was brought up, for verbs that use a running lab.

    What a verb applies itself (the plugin, SSH settings) is as lab.toml has it now.
    """
    kept = earlier(lab)
    if not kept or not lab.files.applied.exists():
        return lab
    was = kept[0]
    if is_hosts(was) != is_hosts(lab):
        return was
    now = {machine.name: machine for machine in lab.machines}
    machines = tuple(
        replace(machine, access=now[machine.name].access) if machine.name in now else machine
        for machine in was.machines
    )
    return replace(was, machines=machines, weave=lab.weave, ssh_config=lab.ssh_config)


def begin(lab: Lab, also: Lab | None) -> None:
    """An `up` begins. `also` has the machines that exist; their addresses stay taken."""
    files = lab.files
    # `destroy` must work when lab.toml is gone or broken by then.
    write_atomic(files.pending, lab.file.read_bytes(), mode=0o600)
    _write_addresses(files, [*(also.machines if also else ()), *lab.machines], lab)


def finish(lab: Lab) -> None:
    """The machines are up as `begin` kept it: the pending definition is the applied one."""
    files = lab.files
    files.pending.replace(files.applied)
    _write_addresses(files, lab.machines, lab)


def _write_addresses(
    files: LabState, machines: tuple[MachineSpec, ...] | list[MachineSpec], lab: Lab
) -> None:
    if not is_hosts(lab):
        addresses = {machine.name: machine.address for machine in machines}
        write_atomic(files.addresses, json.dumps(addresses, indent=2) + "\n")


def journal_of(files: LabState) -> Journal:
    """What was done to existing hosts, whatever lab.toml says by now."""
    return Journal(files.journal if files.journal.exists() else None)
