"""What a run of a scenario is given, and what it begins with: its record and its context."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.machine.running_lab import RunningLab
from provision.plugins.privileges import Privilege
from provision.support import versions
from provision.support.parallel import run_on_all
from scenarios.kit import requires
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.kit.step import Context
from scenarios.record import model

VXLAN_PORT = 4789  # what a swarm uses unless `docker swarm init --data-path-port` says otherwise

# A name in single braces; the double ones of a Go template (`--format {{.Name}}`) stay.
_NAME = re.compile(r"(?<!\{)\{([a-z][a-z0-9]*)\}(?!\})")


@dataclass(frozen=True)
class Answered:
    """What an engine has said of itself: `docker info`, and the version of its API."""

    info: dict[str, Any]
    api: str


@dataclass(frozen=True)
class Setup:
    """What a run is given: a lab that is up, and where its report goes.

    `tell` shows a line to the user. `before_step` is called before each step. `grants` are
    privileges of a plugin that the user has allowed beyond those that the exercise lists. `probed`
    is what the machines were found to lack; runs that share it ask once. `silent` has the engines
    that a fault keeps from answering, by machine, with what they said before.
    """

    lab: Lab
    machines: dict[str, Machine]
    image: str
    provider: str
    folder: Path
    tell: Callable[[str], None]
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    before_step: Callable[[StepPlan], None] | None = None
    grants: frozenset[Privilege] = frozenset()
    probed: requires.Probed = field(default_factory=requires.Probed)
    silent: dict[str, Answered] = field(default_factory=dict)

    @classmethod
    def of(cls, running: RunningLab, folder: Path, tell: Callable[[str], None]) -> Setup:
        """What every verb gives; what else one has is added with `dataclasses.replace`."""
        return cls(
            lab=running.lab,
            machines=running.machines,
            image=running.ready.image,
            provider=running.ready.provider,
            folder=folder,
            tell=tell,
            notes=list(running.ready.notes),
            versions=versions.tools(),
        )

    @property
    def ordered(self) -> list[Machine]:
        """The machines, managers first."""
        return sorted(self.machines.values(), key=lambda machine: machine.plan.role != "manager")

    @property
    def by_place(self) -> dict[str, Machine]:
        """The machines as scenarios call them: "machine1" is the first manager."""
        return {f"machine{number}": one for number, one in enumerate(self.ordered, start=1)}

    def infos(self) -> dict[str, dict[str, Any]]:
        """What `docker info` says of each machine, by its name. Raises MachinesError."""
        asked = run_on_all("asking the engine", self.heard, lambda m: dict(m.docker.info()))
        before = {name: one.info for name, one in self.silent.items()}
        return {one.name: (asked | before)[one.name] for one in self.ordered}

    def apis(self) -> dict[str, str]:
        """The version of each engine's API, by its machine's name. Raises MachinesError."""

        def version(machine: Machine) -> str:
            return str(machine.docker.version()["ApiVersion"])

        before = {name: one.api for name, one in self.silent.items()}
        return run_on_all("asking the engine", self.heard, version) | before

    @property
    def heard(self) -> list[Machine]:
        """The machines whose engines are asked, managers first."""
        return [machine for machine in self.ordered if machine.name not in self.silent]

    def missing(self, scenario: Scenario, infos: dict[str, dict[str, Any]]) -> list[str]:
        """Why the scenario cannot run on this lab, in words; empty where it can.

        Raises MachinesError where a machine does not answer.
        """
        plans = [machine.plan for machine in self.ordered]
        given = requires.Given(self.lab.name, plans, self.provider)
        used = [one for one in self.ordered[: scenario.machines] if one in self.heard]
        return requires.missing(scenario.needs, given, used, infos, self.probed)


def unknown(command: str, names: dict[str, str]) -> set[str]:
    """The names in a command that no step has remembered yet."""
    return set(_NAME.findall(command)) - set(names)


def fill(command: str, names: dict[str, str]) -> str:
    """A command with its `{names}` filled in; `<name>` for one that no step has remembered."""
    return _NAME.sub(lambda found: names.get(found[1], f"<{found[1]}>"), command)


def record_of(scenario: Scenario, setup: Setup, infos: dict[str, dict[str, Any]]) -> model.Record:
    hosts = hosts_of(setup.ordered, infos, setup.apis())
    return model.Record(
        scenario=scenario.name,
        exercise=scenario.exercise,
        title=scenario.title,
        summary=scenario.summary,
        lab=setup.lab.name,
        provider=setup.provider,
        image=setup.image,
        notes=setup.notes,
        versions=setup.versions,
        started=now(),
        seconds=0,
        verdict="interrupted",
        topology=model.Topology(hosts=hosts),
        steps=[],
    )


def context_of(
    scenario: Scenario,
    setup: Setup,
    topology: model.Topology,
    infos: dict[str, dict[str, Any]],
) -> Context:
    ordered = setup.ordered
    names = {"image": setup.image}
    for number, machine in enumerate(ordered, start=1):
        info = infos[machine.name]
        names[f"host{number}"] = str(info["Name"])
        # A host's name need not be unique in a swarm; a node's id is.
        names[f"node{number}"] = str((info.get("Swarm") or {}).get("NodeID") or "")
    return Context(
        machines=dict(list(setup.by_place.items())[: scenario.machines]),
        manager=ordered[0],
        folder=setup.folder,
        names=names,
        tell=setup.tell,
        topology=topology,
        image=setup.image,
        data_path_port=data_path_port(infos[ordered[0].name]),
    )


def data_path_port(info: dict[str, Any]) -> int:
    """The UDP port of the swarm's VXLAN, as a manager's `docker info` reports it."""
    cluster = (info.get("Swarm") or {}).get("Cluster") or {}
    return int(cluster.get("DataPathPort") or VXLAN_PORT)


def hosts_of(
    machines: list[Machine], infos: dict[str, dict[str, Any]], api: dict[str, str]
) -> list[model.Host]:
    """The machines as a report has them: `docker info`, and the API's version, by their names."""
    return [_host(machine, infos[machine.name], api[machine.name]) for machine in machines]


def _host(machine: Machine, info: dict[str, Any], api: str) -> model.Host:
    return model.Host(
        name=machine.name,
        role=machine.plan.role,
        address=machine.address,
        engine=str(info.get("ServerVersion", "")),
        api=api,
        system=str(info.get("OperatingSystem", "")),
        kernel=str(info.get("KernelVersion", "")),
    )


def new_step(number: str, title: str, machines: Iterable[Machine]) -> model.Step:
    return model.Step(
        number=number,
        title=title,
        why="",
        machines=[machine.name for machine in machines],
        state="passed",
        started=now(),
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
