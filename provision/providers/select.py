"""Which provider a lab gets, and which it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.lab.model import Lab
from provision.providers.base import Provider

if TYPE_CHECKING:
    from provision.lab.lockfile import Locked
    from provision.support.progress import Progress

# Each provider is loaded for its own labs alone: what one stands on is of no use to the other, and
# `status` is to be quick.


def choose(
    lab: Lab, progress: Progress, trust_new: bool = False, locks: Locked | None = None
) -> tuple[Provider, list[str]]:
    """The provider for `up`, and the choices made for it; a lab keeps the one that it has.

    Raises UserError that names what is missing.
    """
    if lab.provider == "hosts":
        from provision.providers import existing  # noqa: PLC0415

        return existing.HostsProvider(lab, trust_new), ["provider hosts: named in lab.toml"]
    from provision.providers.vagrant import plan, provider  # noqa: PLC0415

    there = provider.VagrantProvider.from_state(lab)
    made = there or provider.VagrantProvider(lab, plan.plan(lab, progress, locks))
    return made, list(made.plan.notes)


def of_state(lab: Lab) -> Provider | None:
    """The provider whose machines the lab's state folder speaks of; None where there are none."""
    if lab.provider == "hosts":
        from provision.providers import existing  # noqa: PLC0415

        there = lab.files.definitions or lab.files.journal.exists()
        return existing.HostsProvider(lab) if there else None
    from provision.providers.vagrant import provider  # noqa: PLC0415

    return provider.VagrantProvider.from_state(lab)


def orphans(lab: Lab) -> list[str]:
    """Remove what is left of a lab whose state folder was lost; what was removed.

    libvirt's lists tell by the lab's name; other providers' machines lay in the folder itself.
    """
    from provision.providers.libvirt import inventory, naming, virsh  # noqa: PLC0415

    if lab.provider not in {"auto", "libvirt"} or virsh.answers():
        return []
    name = lab.name
    return inventory.purge(naming.prefix(name), naming.network(name), lab.state)
