"""What a scenario over a network driver plugin has to know of the driver it runs with.

The steps of such a scenario are written once (`scenarios/drivers/exercise.py`); all that differs
from driver to driver is in a `Driver`, and where the plugin comes from in lab.toml's [weave] table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab.model import Lab, PluginSpec
from provision.machine.machine import Machine
from provision.plugins import facts, install, privileges
from provision.support.errors import UserError
from provision.support.parallel import run_on_all
from scenarios.evidence.encapsulation import Encapsulation


@dataclass(frozen=True)
class Peer:
    """A connection of a driver's mesh, as one machine's plugin reports it."""

    name: str
    established: bool
    encrypted: bool
    way: str  # how it carries packets, in the driver's own word, such as "fastdp"


@dataclass(frozen=True)
class Mesh:
    """What one machine's plugin says of its mesh: other peers, and the document they are from."""

    peers: tuple[Peer, ...]
    document: Any


@dataclass(frozen=True)
class Driver:
    """A network driver plugin, by the name that reports call it.

    - `socket`: its plugin's socket (config.json, interface.socket), by which another driver's
      plugin is recognized and refused.
    - `encapsulation(plugin)`: how it carries packets, with the lab's settings of it.
    - `book`: the reference that the exercise uses, "" where there is no book.
    - `listed`: the privileges that it may have without being granted them by name.
    - `modules`: kernel modules that are loaded first, where the kernel has them.
    - `vni(network)`: the VXLAN network identifier of an inspected network, where it has one that
      tells networks apart.
    - `mesh(machine)`: its peers, where it offers a status; raises MachineError when it is silent.
    - `left(machine)`: what of it is left when it has been removed, in words.
    """

    name: str
    socket: str
    encapsulation: Callable[[PluginSpec], Encapsulation]
    book: str = ""
    listed: frozenset[privileges.Privilege] = privileges.EXERCISE
    modules: tuple[str, ...] = ()
    vni: Callable[[dict[str, Any]], int | None] | None = None
    mesh: Callable[[Machine], Mesh] | None = None
    left: Callable[[Machine], list[str]] | None = None


@dataclass
class Use:
    """A driver in one run: what is wanted, what it asks for, and what was done where.

    By the journal a plugin on hosts that exist already is known to be the lab's.
    """

    driver: Driver
    want: install.Wanted
    asked: list[privileges.Privilege]
    machines: list[Machine]
    how: Encapsulation
    journal: Journal
    done: dict[str, install.Done] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return self.want.reference

    def brought(self, name: str, there: facts.Installed) -> None:
        """The plugin was installed on a machine: from now on it is known by its id."""
        for entry in self.journal.about(name, "plugin", (self.reference,)):
            self.journal.note(entry, entry.before, {"id": there.id})

    def release(self) -> None:
        """The plugin is gone from every node: one that is found there later is not this lab's."""
        for machine in self.machines:
            self.journal.strike_out(machine.name, "plugin", (self.reference,))


def prepare(
    driver: Driver,
    lab: Lab,
    machines: list[Machine],
    grants: frozenset[privileges.Privilege],
    journal: Journal,
) -> Use:
    """Look at all that can be wrong before a step is taken; every node takes part in the mesh.

    Raises UserError: more privileges than the exercise lists, an archive that is none, another
    driver than the scenario's, an engine that does not speak the plugin's API.
    """
    plugin = lab.weave or PluginSpec()
    want = install.resolve(machines, plugin, driver.modules, driver.listed | grants)
    if want.config is not None:
        check_kind(driver, want.reference, facts.socket_of(want.config))
    asked = install.asked(machines[0], want)
    if more := privileges.beyond(asked, driver.listed, grants):
        raise privileges.refuse(want.reference, more)
    if journal.existing:
        _claim(journal, machines, want.reference, driver.left)
    return Use(driver, want, asked, machines, driver.encapsulation(plugin), journal)


def view(driver: Driver, lab: Lab, machines: list[Machine], journal: Journal) -> Use:
    """The driver as it is there, for somebody who only looks: nothing is claimed or installed.

    Raises UserError as `prepare` does, but asks no registry.
    """
    plugin = lab.weave or PluginSpec()
    want = install.resolve(machines, plugin, driver.modules, driver.listed)
    return Use(driver, want, [], machines, driver.encapsulation(plugin), journal)


def _claim(
    journal: Journal,
    machines: list[Machine],
    reference: str,
    left: Callable[[Machine], list[str]] | None,
) -> None:
    """Write down that the plugin on these hosts is the lab's, before it is installed.

    Hosts that exist already may have it for reasons of their own, and the exercise ends with its
    removal. Raises UserError where it is there and no run of this lab has written it down, or
    another one by its id.
    """
    about = (reference,)

    def theirs(machine: Machine) -> bool:
        found = facts.installed(machine, reference)
        ours = [entry.after.get("id") for entry in journal.about(machine.name, "plugin", about)]
        # Of an installation that was cut off the id is not known.
        return bool(found and found.id not in ours and None not in ours)

    new = [m for m in machines if not journal.about(m.name, "plugin", about)]
    there = run_on_all("looking for the plugin", machines, theirs)
    if owners := [name for name, found in there.items() if found]:
        raise UserError(
            f"Plugin {reference} is on {', '.join(owners)} already, and not by this lab.",
            "The exercise ends with its removal: use other hosts, or remove it there first.",
        )
    if left:
        install.refuse_traces(new, left)
    for machine in new:
        what = f"install plugin {reference}"
        journal.begin(Change(machine.name, "plugin", what, (reference,)))


def check_kind(driver: Driver, reference: str, socket: str) -> None:
    """See that a plugin is the scenario's driver, by its socket's name. Raises UserError."""
    if socket != driver.socket:
        raise UserError(
            f"Plugin {reference} is not {driver.name}: its socket is {socket or 'unnamed'!r}, "
            f"not {driver.socket!r}.",
            "See weave.plugin and weave.plugin_archive in lab.toml.",
        )
