"""Looks at engines and at the swarm, one after another, for a time line.

A look is a question to an engine, and what it saw was so at some moment between its begin and its
end. Engines' own events are not used: they carry the machines' clocks, which may be wrong, and
those of an engine that stands still come late.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from provision.machine.machine import Machine
from provision.support.errors import SwarmrigError
from scenarios.evidence.lanes import Lanes

if TYPE_CHECKING:
    import docker

SILENT = "does not answer"
_LEAST_PAUSE = 0.05
_NO_LEADER = "does not have a leader"
_NO_MANAGER = ("not a swarm manager", "not part of a swarm")


class Looker(threading.Thread):
    """Looks again and again until it is told to stop. Nothing that goes wrong is raised."""

    def __init__(self, name: str, lanes: Lanes, pause: float, stop: threading.Event) -> None:
        super().__init__(name=f"time line: {name}", daemon=True)
        self.lanes, self.pause, self.stop = lanes, pause, stop
        self.looked = threading.Event()

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                begin = self.lanes.now()
                try:
                    self.look()
                except Exception as error:
                    if not self.stop.is_set():
                        self.lanes.note(f"{self.name}: {reason(error)}")
                self.looked.set()
                self.stop.wait(max(self.pause - (self.lanes.now() - begin), _LEAST_PAUSE))
        finally:
            self.looked.set()
            with contextlib.suppress(Exception):
                self.end()

    def look(self) -> None:
        """Look once."""
        raise NotImplementedError

    def end(self) -> None:
        """Let go of what looking has opened."""


class _Asker(Looker):
    """Asks one engine, over a connection of the time line's own."""

    def __init__(
        self, machine: Machine, limit: float, lanes: Lanes, pause: float, stop: threading.Event
    ) -> None:
        super().__init__(machine.name, lanes, pause, stop)
        self.machine, self.limit = machine, limit
        self._client: docker.DockerClient | None = None

    def client(self) -> docker.DockerClient:
        from provision.machine import docker_api  # noqa: PLC0415 - the SDK takes a while to import

        if self._client is None:
            self.machine.connect(patience=0)
            transport = self.machine.transport
            self._client = docker_api.client(transport, self.machine.is_root, self.limit)
        return self._client

    def end(self) -> None:
        client, self._client = self._client, None
        if client:
            with contextlib.suppress(Exception):
                client.close()
        if self.stop.is_set():
            # It may have logged in again since the others were told to stop.
            self.machine.abandon()


class EngineLooker(_Asker):
    """Whether an engine answers at all."""

    def look(self) -> None:
        begin = self.lanes.now()
        state, detail = "answers", ""
        try:
            self.client().ping()
        except Exception as error:
            state, detail = SILENT, reason(error)
            self.end()
        if not self.stop.is_set():
            self.lanes.saw(
                "engine", self.machine.name, state, begin, self.lanes.now(), detail=detail
            )


class ManagerLooker(_Asker):
    """What a manager says of its swarm; of a machine that is none, nothing."""

    def __init__(self, machine: Machine, swarm: Swarm, limit: float, pause: float) -> None:
        super().__init__(machine, limit, swarm.lanes, pause, swarm.stop)
        self.swarm = swarm

    def look(self) -> None:
        import docker.errors  # noqa: PLC0415 - the SDK takes a while to import

        begin = self.lanes.now()
        try:
            api: Any = self.client().api
            nodes = api.nodes()
            seen = self.lanes.now()
            if self.swarm.answered(self.machine.name, nodes, begin, seen):
                for service in self.swarm.services:
                    begin = self.lanes.now()
                    tasks = _tasks(api, service)
                    self.swarm.tasks(service, tasks, begin, self.lanes.now())
        except docker.errors.APIError as error:
            # Also a lost connection is one of these, by its base class, where it has no answer.
            if error.response is None:
                self.end()
            self.swarm.refused(self.machine.name, reason(error), begin)
        except Exception as error:
            self.end()
            self.swarm.refused(self.machine.name, reason(error), begin)


def _tasks(api: Any, service: str) -> list[dict[str, Any]]:
    import docker.errors  # noqa: PLC0415 - the SDK takes a while to import

    try:
        return list(api.tasks(filters={"service": service}))
    except docker.errors.NotFound:
        return []


class Swarm:
    """The swarm as its managers say it is.

    Each manager's own view makes its lane. Of nodes, tasks and leader one manager is believed, for
    as long as it answers and has a leader; then the next one that does.
    """

    def __init__(
        self,
        lanes: Lanes,
        stop: threading.Event,
        machines: Callable[[str, str], str],
        services: Sequence[str] = (),
        called: Callable[[str], str] = str,
    ) -> None:
        """`machines` gives the lab's machine of a node's id and hostname, `called` what a service
        of the exercise is called on this lab."""
        self.lanes, self.stop = lanes, stop
        self.services = {called(name): name for name in services}
        self._machine_of = machines
        self._lock = threading.Lock()
        self._believed = ""
        self._leading: dict[str, bool] = {}  # whether a manager has a leader, by its machine
        self._names: dict[str, str] = {}
        self._looked: dict[str, float] = {}  # the begin of the last look at a service's tasks
        self._known: dict[str, set[tuple[str, str]]] = {}

    def answered(self, manager: str, nodes: list[dict[str, Any]], begin: float, end: float) -> bool:
        """A manager has listed the nodes; whether it is the one that is believed."""
        if self.stop.is_set():
            return False
        with self._lock:
            self._names = {
                node["ID"]: self._machine_of(node["ID"], node["Description"]["Hostname"])
                for node in nodes
            }
            leader = self._leader(nodes)
            state = "leads" if leader == manager else "follows"
            self.lanes.saw("manager", manager, state if leader else "has no leader", begin, end)
            self._leading[manager] = bool(leader)
            self._believed = self._believed or manager
            if self._believed != manager:
                return False
            self.lanes.saw("leader", "swarm", leader or "none", begin, end)
            for node in nodes:
                self._node(node, begin, end)
            return True

    def refused(self, manager: str, why: str, begin: float) -> None:
        """A manager has not listed the nodes, for this reason."""
        end = self.lanes.now()
        if self.stop.is_set():
            return
        with self._lock:
            if self._believed == manager:
                self._believed = ""
            self._leading[manager] = False
            leaderless = _NO_LEADER in why
            if any(words in why for words in _NO_MANAGER):
                if self.lanes.has("manager", manager):
                    self.lanes.saw("manager", manager, "is no manager", begin, end)
            elif leaderless or self.lanes.has("manager", manager):
                state = "has no leader" if leaderless else SILENT
                self.lanes.saw("manager", manager, state, begin, end, detail=why)
            if leaderless and not any(self._leading.values()):
                self.lanes.saw("leader", "swarm", "none", begin, end)

    def _leader(self, nodes: list[dict[str, Any]]) -> str:
        for node in nodes:
            if (node.get("ManagerStatus") or {}).get("Leader"):
                return self._names[node["ID"]]
        return ""

    def _node(self, node: dict[str, Any], begin: float, end: float) -> None:
        name, status = self._names[node["ID"]], node["Status"]
        detail = str(status.get("Message") or "")
        self.lanes.saw("node", name, str(status["State"]), begin, end, detail=detail)
        self.lanes.saw("availability", name, str(node["Spec"]["Availability"]), begin, end)
        if manager := node.get("ManagerStatus"):
            reached = str(manager.get("Reachability") or "unknown")
            self.lanes.saw("reachability", name, reached, begin, end)

    def tasks(self, service: str, tasks: list[dict[str, Any]], begin: float, end: float) -> None:
        """The manager that is believed has listed a service's tasks."""
        if self.stop.is_set():
            return
        name = self.services[service]
        with self._lock:
            absent = self._looked.get(service)
            there = set()
            for task in tasks:
                node = task.get("NodeID") or ""
                machine = self._names.get(node, node)
                subject = f"{name}.{task.get('Slot') or machine}"
                there.add((subject, task["ID"][:12]))
                self.lanes.saw(
                    "task",
                    subject,
                    task_state(task),
                    begin,
                    end,
                    id_=task["ID"][:12],
                    machine=machine,
                    detail=str(task["Status"].get("Err") or ""),
                    absent=absent,
                )
            for subject, task_id in self._known.get(service, set()) - there:
                self.lanes.saw("task", subject, "removed", begin, end, id_=task_id)
            self._known[service] = self._known.get(service, set()) | there
            self._looked[service] = begin


def task_state(task: dict[str, Any]) -> str:
    """A task's state; of one that runs and is no longer wanted, that it is to be shut down.

    That is all a swarm can say of the tasks of a node that it does not reach.
    """
    state = str(task["Status"]["State"])
    wanted = str(task.get("DesiredState") or state)
    return "to be shut down" if state == "running" and wanted != "running" else state


def reason(error: BaseException) -> str:
    """An error in one short line."""
    explained = getattr(error, "explanation", None)
    if isinstance(error, SwarmrigError):
        said = str(error)
    elif explained:
        said = (
            explained.decode(errors="replace") if isinstance(explained, bytes) else str(explained)
        )
    elif "timed out" in str(error).lower() or isinstance(error, TimeoutError):
        said = "no answer in time"
    elif "RemoteDisconnected" in str(error) or "Connection aborted" in str(error):
        said = "nobody listens at its socket"
    else:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return said.splitlines()[0][:200] if said else type(error).__name__
