"""What is there now, quickly: from the provider's own lists and the engines themselves.

No Vagrant is called, and a machine that does not answer costs the others nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from provision.definition import Lab
from provision.errors import MachineError
from provision.machine import Machine, connected
from provision.providers import choosing
from provision.providers.base import Provider

PATIENCE = 10.0  # seconds for all machines together; an emulated one on a busy host takes some
_SILENT = f"no answer within {PATIENCE:.0f} s"


@contextmanager
def looking(lab: Lab) -> Iterator[Callable[[], dict[str, Any]]]:
    """A function that tells what is there, each time anew, over connections that are kept.

    Shape: {"lab": name, "provider": name or "", "machines": [{"name", "role", "address", "state",
    "engine", "node"}], "networks": [{"name", "driver", "scope"}], "services": [names]}. All are
    texts: `state` is "absent", "stopped", "paused", "running" or "unknown" (a host that does not
    answer); `engine` is Docker's version or ""; `node` is the swarm's word for it ("ready",
    "ready (leader)", "down", …), else why there is none, or "".
    """
    provider = choosing.of_state(lab)
    endpoints = {}
    if provider and (lab.state / "ready.json").exists():
        # An `up` that was cut off does not know the way to its machines yet.
        with suppress(MachineError):
            endpoints = provider.endpoints()
    if not endpoints:
        yield lambda: _said(lab, provider)
        return
    with connected(lab, endpoints) as machines:
        watch = _Watch(machines)
        try:
            yield lambda: watch.add(_said(lab, provider))
        finally:
            watch.leave()


def look(lab: Lab) -> dict[str, Any]:
    """What is there now, once; `looking` has the shape."""
    with looking(lab) as now:
        return now()


def watching(lab: Lab, pause: float = 2.0) -> Iterator[dict[str, Any]]:
    """What is there, again and again, `pause` seconds after each answer; follows ups and downs."""
    while True:
        ready = (lab.state / "ready.json").exists()
        with looking(lab) as now:
            while (lab.state / "ready.json").exists() == ready:
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
    }


class _Watch:
    """Asks all machines at once, and waits for none longer than for all."""

    def __init__(self, machines: dict[str, Machine]) -> None:
        self.machines = machines
        self._asking: dict[str, threading.Thread] = {}
        self._answers: dict[str, Any] = {}

    def add(self, said: dict[str, Any]) -> dict[str, Any]:
        """The engines' answers, added to what the provider says."""
        rows = {row["name"]: row for row in said["machines"]}
        asked = [n for n, row in rows.items() if row["state"] in {"running", "unknown"}]
        infos = self._ask({name: self._info(self.machines[name]) for name in asked})
        for name, info in infos.items():
            rows[name]["engine"] = info.get("ServerVersion", "")
            rows[name]["node"] = info.get("error") or info.get("Swarm", {}).get(
                "LocalNodeState", ""
            )
            if rows[name]["engine"]:
                rows[name]["state"] = "running"
        managers = [n for n, i in infos.items() if i.get("Swarm", {}).get("ControlAvailable")]
        # One manager's view will do; another is asked where it does not answer.
        for name in managers[:2]:
            seen = self._ask({name: self._swarm(self.machines[name])})[name]
            if "nodes" in seen:
                said["networks"], said["services"] = seen["networks"], seen["services"]
                for each, info in infos.items():
                    node = info.get("Swarm", {}).get("NodeID", "")
                    rows[each]["node"] = seen["nodes"].get(node, rows[each]["node"])
                break
        return said

    def _ask(self, questions: dict[str, Callable[[], Any]]) -> dict[str, Any]:
        """Each machine's answer, or {"error": …}; one that is still being asked is not asked."""
        for name, question in questions.items():
            if name not in self._asking or not self._asking[name].is_alive():
                self._answers.pop(name, None)
                self._asking[name] = threading.Thread(
                    target=self._answer, args=(name, question), daemon=True
                )
                self._asking[name].start()
        end = time.monotonic() + PATIENCE
        for name in questions:
            self._asking[name].join(max(0.0, end - time.monotonic()))
        return {
            name: {"error": _SILENT}
            if self._asking[name].is_alive()
            else self._answers.get(name, {"error": _SILENT})
            for name in questions
        }

    def _answer(self, name: str, question: Callable[[], Any]) -> None:
        try:
            self._answers[name] = question()
        except Exception as error:
            text = str(error) or type(error).__name__
            self._answers[name] = {"error": text.splitlines()[0]}

    @staticmethod
    def _info(machine: Machine) -> Callable[[], dict[str, Any]]:
        def ask() -> dict[str, Any]:
            machine.connect(patience=0)
            return dict(machine.docker.info())

        return ask

    @staticmethod
    def _swarm(manager: Machine) -> Callable[[], dict[str, Any]]:
        def ask() -> dict[str, Any]:
            nodes = {}
            for node in manager.docker.nodes.list():
                leads = (node.attrs.get("ManagerStatus") or {}).get("Leader")
                nodes[node.id] = node.attrs["Status"]["State"] + (" (leader)" if leads else "")
            return {
                "nodes": nodes,
                "networks": [
                    {"name": n.name, "driver": n.attrs["Driver"], "scope": n.attrs["Scope"]}
                    for n in manager.docker.networks.list()
                    if n.attrs["Scope"] == "swarm"
                ],
                "services": [service.name for service in manager.docker.services.list()],
            }

        return ask

    def leave(self) -> None:
        """Who is still being asked is not waited for."""
        for name, thread in self._asking.items():
            if thread.is_alive():
                self.machines.pop(name).abandon()
