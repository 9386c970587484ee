"""Which provider a lab gets, and which it has."""

from __future__ import annotations

from provision.definition import Lab
from provision.providers.base import Provider
from provision.providers.hosts import HostsProvider


def choose(lab: Lab) -> tuple[Provider, str]:
    """The provider for `up`, and why it is this one; a lab keeps the one that it has.

    Raises UserError that names what is missing.
    """
    if lab.provider == "hosts":
        return HostsProvider(lab), ""
    from provision.providers import vagrant  # noqa: PLC0415 - needless for hosts that exist

    there = of_state(lab)
    if there:
        return there, ""
    _, why = vagrant.choose_provider(lab)
    return vagrant.VagrantProvider(lab), why


def of_state(lab: Lab) -> Provider | None:
    """The provider whose machines the lab's state folder speaks of; None where there are none."""
    if lab.provider == "hosts":
        return HostsProvider(lab) if lab.state.exists() else None
    from provision.providers import vagrant  # noqa: PLC0415 - needless for hosts that exist

    return vagrant.VagrantProvider.from_state(lab.state)


def chosen(lab: Lab, name: str) -> Provider:
    """The provider of a lab that is up, by the name that `up` noted."""
    if name == "hosts":
        return HostsProvider(lab)
    from provision.providers import vagrant  # noqa: PLC0415 - needless for hosts that exist

    return vagrant.VagrantProvider(lab)
