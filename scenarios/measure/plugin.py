"""A plugin's driver in a measurement: installed on every node before, removed after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from operator import not_

from provision.machine.machine import Machine
from provision.plugins.install import ensure
from provision.support.errors import MachineError
from provision.support.wait import wait_until
from scenarios.checks.plugin import unknown_on
from scenarios.kit import cleanup
from scenarios.kit.driver import Use
from scenarios.measure import place

_KNOWN = 120.0  # seconds; an agent reports within 20 what has changed on its node


@contextlib.contextmanager
def installed(use: Use, manager: Machine) -> Iterator[place.Place]:
    """The plugin on every node while the block runs; how its containers are placed.

    Raises MachinesError where it cannot be installed, MachineError where it does not go.
    """
    try:
        ensure(use.machines, use.want, use.done, use.brought)
        if silent := wait_until(lambda: unknown_on(use, manager), not_, _KNOWN):
            raise MachineError(f"The swarm does not know of the plugin on {', '.join(silent)}.")
        yield _place(use)
    finally:
        if left := cleanup.release_plugin(use):
            raise MachineError(f"Not removed: {', '.join(left)}.", "Run it again: it tries again.")


def _place(use: Use) -> place.Place:
    carried = f"encapsulation ({use.how.name})"
    path = ("veth", "the plugin's bridge", carried, "underlay", carried, "bridge", "veth")

    def placed(name: str, site: place.Site) -> place.Placed:
        return place.across(name, site, use.reference, path)

    return placed
