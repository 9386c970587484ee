"""The blanks in the book's commands, such as `<web1 task>` and `<bridge3's address>`, filled in.

What is not there, or there twice, stays a blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from provision.machine.machine import Machine
from scenarios.learn.world import Container, World

_TASK = re.compile(r"<(?:([\w.-]+) )?task>")
_ADDRESS = re.compile(r"<([\w.-]+)'s address(?: in ([\w.-]+))?>")
_MACHINE = re.compile(r"<the (first|second) machine's address>")
_PLACES = {"first": "machine1", "second": "machine2"}


def filled(text: str, world: World, machines: Mapping[str, Machine], on: tuple[str, ...]) -> str:
    """A command of the book for the machines at the places `on`, with what the lab has by now."""

    def task(blank: re.Match[str]) -> str:
        found = [
            one.name
            for place in on
            for one in world.engines[place].containers
            if one.service and one.state == "running"
            if blank[1] in {None, one.service}
        ]
        return found[0] if len(found) == 1 else blank[0]

    def address(blank: re.Match[str]) -> str:
        found = {
            address
            for place, one in _running(world)
            if blank[1] in {one.name, one.service}
            for address in _addresses(one, world, place, blank[2])
        }
        return found.pop() if len(found) == 1 else blank[0]

    text = _MACHINE.sub(lambda blank: machines[_PLACES[blank[1]]].address, text)
    return _ADDRESS.sub(address, _TASK.sub(task, text))


def _running(world: World) -> list[tuple[str, Container]]:
    return [
        (place, one)
        for place, engine in world.engines.items()
        for one in engine.containers
        if one.state == "running"
    ]


def _addresses(one: Container, world: World, place: str, network: str | None) -> list[str]:
    """The container's addresses, or that in the network of a name."""
    known = [*world.engines[place].networks, *world.manager.networks]
    ids = {there.id for there in known if there.name == network}
    return [
        address
        for id_, address in one.addresses.items()
        if address and (network is None or id_ in ids)
    ]
