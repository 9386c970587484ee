"""Which provider a lab gets, and which it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.lab.model import Lab
from provision.providers.base import Provider

if TYPE_CHECKING:
    from provision.lab.lockfile import Locked
    from provision.support.progress import Progress

# Each provider is imported for its own labs alone, since `status` is to be quick.


def choose(
    lab: Lab, progress: Progress, trust_new: bool = False, locks: Locked | None = None
) -> tuple[Provider, list[str]]:
    """The provider for `up`, and the choices made for it; a lab that is up keeps its provider.

    Raises UserError that names what is missing.
    """
    if lab.provider == "hosts":
        from provision.providers import existing  # noqa: PLC0415 - for a quick status

        return existing.HostsProvider(lab, trust_new), ["provider hosts: named in lab.toml"]
    from provision.providers.vagrant import plan, provider  # noqa: PLC0415 - for a quick status

    existing_one = provider.VagrantProvider.from_state(lab)
    if existing_one:
        plan.refuse_keys(lab, existing_one.name)
    made = existing_one or provider.VagrantProvider(lab, plan.plan(lab, progress, locks))
    return made, list(made.plan.notes)


def of_state(lab: Lab) -> Provider | None:
    """The provider of the machines in the lab's state folder; None where there are none."""
    if lab.provider == "hosts":
        from provision.providers import existing  # noqa: PLC0415 - for a quick status

        there = lab.files.definitions or lab.files.journal.exists()
        return existing.HostsProvider(lab) if there else None
    from provision.providers.vagrant import provider  # noqa: PLC0415 - for a quick status

    return provider.VagrantProvider.from_state(lab)


def orphans(lab: Lab) -> list[str]:
    """Remove what is left of a lab whose state folder was lost; returns what was removed.

    Only providers that list machines by the lab's name can tell; the others keep their machines
    in the folder itself.
    """
    from provision.providers.backends import registry  # noqa: PLC0415 - for a quick status

    candidates = [one for one in registry.backends() if lab.provider in {"auto", one.name}]
    return [what for backend in candidates for what in backend.purge_orphans(lab)]
