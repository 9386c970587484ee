"""`up --dry-run`: what `up` would change, without changing it."""

from __future__ import annotations

from provision.changes import change, journal
from provision.engine import clock
from provision.lab import lockfile
from provision.lab.model import Lab
from provision.lifecycle import applied, edit, provision, up
from provision.machine import login
from provision.machine.machine import connected
from provision.providers import select
from provision.providers.base import Provider
from provision.providers.existing import HostsProvider
from provision.ssh.endpoint import for_looking
from provision.support.progress import Progress
from provision.swarm.plan import Allowed

_UNTIL_SET = "What else is to be done is unknown until the clocks are right."


def dry_run(
    lab: Lab, progress: Progress, adopt_swarm: bool = False, recover_swarm: bool = False
) -> str:
    """What `up` would do, machine by machine, as text; nothing is changed.

    First what was edited in lab.toml. Machines that run are looked at; for the others it shows how
    they would be created. Raises what `up` would raise before its first change.
    """
    edited = edit.look(lab)
    provider: Provider | None = HostsProvider(lab) if applied.is_hosts(lab) else None
    if edited.old:
        provider = provider or select.of_state(lab)
    states = provider.states() if provider else {}
    absent = [m.name for m in lab.machines if states.get(m.name, "absent") in {"absent", "stopped"}]
    if not provider or absent:
        from provision.providers.vagrant.plan import (  # noqa: PLC0415 - needless for existing hosts
            preview,
        )

        return "\n".join([*edited.lines(), preview(lab, provider, states)])
    with connected(lab, for_looking(provider.endpoints())) as machines:
        login.reach(machines, progress, ask=lambda *_: False)
        wanted = up.wanted(lab, provider, lockfile.load(lab))
        written = journal.of_lab(lab)
        if clocks := clock.plan(clock.look(machines), written.existing):
            shown = change.as_text([one.machine for one in clocks], clocks)
            return "\n".join([*edited.lines(), shown, _UNTIL_SET])
        allowed = Allowed(adopt_swarm, recover_swarm)
        plan = provision.plan(lab, machines, written, wanted, allowed, progress)
    notes = [*plan.notes, *(f"{name}: {what}" for name, what in plan.unknown.items())]
    image = f"image for scenarios: {plan.choice.reference} ({plan.choice.why})"
    return "\n".join([*edited.lines(), change.as_text(machines, plan.changes), *notes, image])
