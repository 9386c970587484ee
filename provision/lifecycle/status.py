"""The lab's status, quickly: from the provider's own lists, a manager, and the engines themselves.

No Vagrant is called, and a machine that does not answer does not delay the others. Where the
provider says that a machine runs and a manager says that its node is ready, it is not asked itself:
a login takes longer than all the rest.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from provision.changes.journal import Journal
from provision.faults import making
from provision.lab import lockfile
from provision.lab.lockfile import Entry
from provision.lab.model import Lab
from provision.lifecycle import applied
from provision.machine.machine import Machine, connected
from provision.providers import select
from provision.providers.base import Provider
from provision.ssh.endpoint import for_looking
from provision.support.errors import MachineError, UserError

PATIENCE = 10.0  # seconds for all machines together; an emulated one on a busy host takes some
FIRST = 2.0  # seconds after which the others are asked as well
_Question = Callable[[Machine], dict[str, Any]]
_SILENT = f"no answer within {PATIENCE:.0f} s"


@contextmanager
def looking(lab: Lab) -> Iterator[Callable[[], dict[str, Any]]]:
    """A function that returns the current status at each call, over connections that are kept.

    Shape: {"lab": name, "provider": name or "", "machines": [{"name", "role", "address", "state",
    "engine", "node"}], "networks": [{"name", "driver", "scope"}], "services": [names],
    "differs": [lines], "faults": [lines]}. All are texts: `state` is "absent", "stopped", "paused",
    "running" or "unknown" (a host that does not answer); `engine` is Docker's version or "";
    `node` is the swarm's word for it ("ready", "ready (leader)", "down", …), else why there is
    none, or ""; `differs` has the engines of another version than swarmrig.lock has, `faults` those
    that were made and have not healed yet.
    """
    lab = applied.existing(lab)
    provider = select.of_state(lab)
    endpoints = {}
    if provider and lab.files.ready.exists():
        # After an interrupted `up` the way to its machines is not known yet.
        with suppress(MachineError):
            endpoints = provider.endpoints()
    if not endpoints:
        yield lambda: _said(lab, provider)
        return
    locked = None
    with suppress(UserError):
        # What is wrong with the file, `inv up` and `inv lock` say.
        locked = lockfile.load(lab).of(provider.name) if provider else None
    with connected(lab, for_looking(endpoints)) as machines:
        watch = _Watch(machines)
        try:
            yield lambda: _compared(watch.add(_said(lab, provider)), locked)
        finally:
            watch.leave()


def look(lab: Lab) -> dict[str, Any]:
    """The current status, once; `looking` describes the shape."""
    with looking(lab) as now:
        return now()


def watching(lab: Lab, pause: float = 2.0) -> Iterator[dict[str, Any]]:
    """The status, repeated `pause` seconds after each answer; follows `up` and `destroy`."""
    while True:
        ready = lab.files.ready.exists()
        with looking(lab) as now:
            while lab.files.ready.exists() == ready:
                yield now()
                time.sleep(pause)


def _said(lab: Lab, provider: Provider | None) -> dict[str, Any]:
    states = provider.states() if provider else {}
    rows = [
        {
            "name": machine.name,
            "role": machine.role,
            "address": machine.address,
            "state": states.get(machine.name, "absent"),
            "engine": "",
            "node": "",
        }
        for machine in lab.machines
    ]
    return {
        "lab": lab.name,
        "provider": provider.name if provider else "",
        "machines": rows,
        "networks": [],
        "services": [],
        "differs": [],
        "faults": _faults(lab),
    }


def _faults(lab: Lab) -> list[str]:
    """The faults whose time is not over, as written down: asking for them takes a login."""
    found: dict[str, tuple[list[str], making.Active]] = {}
    with suppress(MachineError):
        # What is wrong with the journal, `inv up` says.
        for path in (lab.files.faults, lab.files.journal):
            for one in making.written_down(Journal(path)):
                found.setdefault(one.fault_id, ([], one))[0].append(one.machine)
    lines = [
        f"{one.kind}: {one.words} (on {', '.join(sorted(names))}; heals in {one.left} s)"
        for names, one in found.values()
        if not one.secret
    ]
    if secret := [one.left for _, one in found.values() if one.secret]:
        lines.append(f"{making.SECRET_KIND}: {making.SECRET_WORDS} (heals in {max(secret)} s)")
    return lines


def _compared(said: dict[str, Any], locked: Entry | None) -> dict[str, Any]:
    """With the engines that somebody, or an upgrade of the machine's packages, has replaced."""
    engines = {row["name"]: row["engine"] for row in said["machines"] if row["engine"]}
    said["differs"] = lockfile.engine_differences(locked, engines) if locked else []
    return said


class _Watch:
    """Asks all machines at once, with one time limit for all of them."""

    def __init__(self, machines: dict[str, Machine]) -> None:
        self.machines = machines
        self._asking: dict[tuple[str, _Question], threading.Thread] = {}
        self._answers: dict[tuple[str, _Question], dict[str, Any]] = {}

    def add(self, said: dict[str, Any]) -> dict[str, Any]:
        """What the machines answer, added to what the provider says."""
        rows = {row["name"]: row for row in said["machines"]}
        asked = [n for n, row in rows.items() if row["state"] in {"running", "unknown"}]
        sure = [n for n in asked if (rows[n]["state"], rows[n]["role"]) == ("running", "manager")]
        view = self._view(sure[:1], FIRST)
        rest = [name for name in asked if not _vouched_for(rows[name], view)]
        infos = self._ask(rest, _info, PATIENCE)
        managers = [n for n, i in infos.items() if i.get("Swarm", {}).get("ControlAvailable")]
        # One manager's view is enough; another is asked if it does not answer.
        view = view or self._view(managers[:1], PATIENCE) or self._view(managers[1:2], PATIENCE)
        for name, info in infos.items():
            _add(rows[name], info, view)
        said["networks"], said["services"] = view.get("networks", []), view.get("services", [])
        return said

    def _view(self, manager: list[str], patience: float) -> dict[str, Any]:
        """The swarm as a manager sees it; {} where it does not answer, or there is none."""
        answers = self._ask(manager, _swarm, patience)
        return next((answer for answer in answers.values() if "nodes" in answer), {})

    def _ask(
        self, names: list[str], question: _Question, patience: float
    ) -> dict[str, dict[str, Any]]:
        """Each machine's answer, or {"error": …}; a question still unanswered is not repeated."""
        keys = [(name, question) for name in names]
        for key in keys:
            if key not in self._asking or not self._asking[key].is_alive():
                self._answers.pop(key, None)
                self._asking[key] = threading.Thread(target=self._answer, args=key, daemon=True)
                self._asking[key].start()
        # The SDK is loaded while the logins wait for their machines.
        importlib.import_module("provision.machine.docker_api")
        end = time.monotonic() + patience
        for key in keys:
            self._asking[key].join(max(0.0, end - time.monotonic()))
        silent = {"error": _SILENT}
        return {
            key[0]: silent if self._asking[key].is_alive() else self._answers.get(key, silent)
            for key in keys
        }

    def _answer(self, name: str, question: _Question) -> None:
        try:
            self._answers[name, question] = question(self.machines[name])
        except Exception as error:
            text = str(error) or type(error).__name__
            self._answers[name, question] = {"error": text.splitlines()[0]}

    def leave(self) -> None:
        """Machines that have not answered are not waited for."""
        for name in {name for (name, _), thread in self._asking.items() if thread.is_alive()}:
            self.machines.pop(name).abandon()


def _info(machine: Machine) -> dict[str, Any]:
    machine.connect(patience=0)
    return dict(machine.docker.info())


def _swarm(manager: Machine) -> dict[str, Any]:
    manager.connect(patience=0)
    engine = manager.docker
    return {
        "nodes": [_node(node.attrs) for node in engine.nodes.list()],
        "networks": [
            {"name": n.name, "driver": n.attrs["Driver"], "scope": n.attrs["Scope"]}
            for n in engine.networks.list(filters={"scope": "swarm"})
        ],
        "services": [service.name for service in engine.services.list()],
    }


def _node(attrs: dict[str, Any]) -> dict[str, Any]:
    manager = attrs.get("ManagerStatus") or {}
    state = attrs["Status"]["State"]
    return {
        "id": attrs["ID"],
        # A manager's own entry may have another address in Status than the others reach it at.
        "addresses": {attrs["Status"].get("Addr"), manager.get("Addr", "").rpartition(":")[0]},
        "engine": attrs["Description"].get("Engine", {}).get("EngineVersion", ""),
        "ready": state == "ready",
        "state": state + (" (leader)" if manager.get("Leader") else ""),
    }


def _vouched_for(row: dict[str, str], view: dict[str, Any]) -> bool:
    """Whether a manager reports a running machine as ready; if so, its other values are added.

    Only a login shows whether an existing host runs.
    """
    for node in view.get("nodes", []):
        if row["state"] == "running" and node["ready"] and row["address"] in node["addresses"]:
            row["engine"], row["node"] = node["engine"], node["state"]
            return True
    return False


def _add(row: dict[str, str], info: dict[str, Any], view: dict[str, Any]) -> None:
    """Add what a machine reports of itself, and what a manager reports of its node."""
    row["engine"] = info.get("ServerVersion", "")
    if row["engine"]:
        row["state"] = "running"
    swarm = info.get("Swarm", {})
    states = {node["id"]: node["state"] for node in view.get("nodes", [])}
    own = info.get("error") or swarm.get("LocalNodeState", "")
    row["node"] = states.get(swarm.get("NodeID", ""), own)
