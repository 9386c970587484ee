"""`up --dry-run`: what `up` would change, without changing it."""

from __future__ import annotations

from provision.changes import change, journal
from provision.lab.model import Lab
from provision.lifecycle import provision
from provision.lifecycle.up import _wanted
from provision.machine import login
from provision.machine.machine import connected
from provision.providers import select
from provision.providers.existing import HostsProvider
from provision.support.progress import Progress


def dry_run(lab: Lab, progress: Progress, adopt_swarm: bool = False) -> str:
    """What `up` would do, machine by machine, as text; nothing is changed, here or there.

    Machines that run are looked at; of those that do not it is told how they would come to be.
    Raises what `up` would raise before its first change.
    """
    provider = select.of_state(lab)
    if lab.provider == "hosts":
        provider = HostsProvider(lab)
    states = provider.states() if provider else {}
    absent = [m.name for m in lab.machines if states.get(m.name, "absent") in {"absent", "stopped"}]
    if not provider or absent:
        from provision.providers.vagrant.plan import (  # noqa: PLC0415 - needless for existing hosts
            preview,
        )

        return preview(lab, provider, states)
    with connected(lab, provider.endpoints()) as machines:
        login.reach(machines, progress, ask=lambda *_: False)
        wanted = _wanted(lab, provider)
        plan = provision.plan(lab, machines, journal.of_lab(lab), wanted, adopt_swarm)
    notes = [f"{name}: {what}" for name, what in plan.unknown.items()]
    image = f"image for scenarios: {plan.choice.reference} ({plan.choice.why})"
    return "\n".join([change.as_text(machines, plan.changes), *notes, image])
