"""The swarm's nodes by hand: drained, active again, promoted, demoted, each waited for.

Every verb can be said twice. None of them takes the swarm's quorum away.
Source: https://docs.docker.com/engine/swarm/admin_guide/ and …/manage-nodes/.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import not_
from typing import Any

import docker.errors
import requests

from provision.changes.journal import Journal
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from provision.support.wait import wait_until
from provision.swarm import members, node_spec

PATIENCE = 90.0
_GONE = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}


class Nodes:
    """The nodes of a lab's swarm, asked for through a manager that answers."""

    def __init__(self, machines: dict[str, Machine], progress: Progress) -> None:
        self.machines = machines
        self.progress = progress
        self._demoted = ""
        self.seen: members.Facts
        self._look()

    def _look(self) -> None:
        self.seen = members.look_where_possible(self.machines)
        if not self.seen.leader:
            raise MachineError(
                "No manager of the lab's swarm answers"
                + (f"; {self.seen.lost} has no quorum." if self.seen.lost else "."),
                "See inv status; inv up forms the swarm, or says how to recover it.",
            )

    def table(self) -> list[dict[str, str]]:
        """A row for each node: machine, role, state, availability, manager, tasks (that run)."""
        names = {member.node_id: name for name, member in self.seen.members.items()}
        tasks = self._via().docker.api.tasks(filters={"desired-state": "running"})
        return [
            {
                "machine": names.get(node["ID"], ""),
                "host": node["Description"].get("Hostname", ""),
                "role": node["Spec"]["Role"],
                "state": node["Status"]["State"],
                "availability": node["Spec"]["Availability"],
                "manager": _manager(node),
                "tasks": str(
                    sum(
                        task.get("NodeID") == node["ID"] and task["Status"]["State"] == "running"
                        for task in tasks
                    )
                ),
            }
            for node in self._all()
        ]

    # -- drain and activate -------------------------------------------------------------------

    def drain(self, name: str, patience: float = PATIENCE) -> None:
        """No task runs there any more, and each service has as many elsewhere as it wants.

        Raises MachineError that names the service that has no place elsewhere, with its task's
        own error.
        """
        node = self._node(name)
        affected = {task["ServiceID"] for task in self._tasks(node["ID"]) if task.get("ServiceID")}
        self._set(node, name, Availability="drain")
        self.progress.phase(name, "waiting for its tasks to move away")
        self._wait(
            lambda: [f"task {task['ID'][:12]} still runs" for task in self._tasks(node["ID"])],
            f"{name} is drained, and",
            patience,
        )
        self._wait(
            lambda: [words for service in affected if (words := self._short(service))],
            f"{name} is drained, and",
            patience,
        )
        self.progress.done(name, "drained: its tasks run elsewhere")

    def activate(self, name: str, patience: float = PATIENCE) -> None:
        """It takes tasks again. Those that have moved away stay there, as Docker has it."""
        node = self._node(name)
        self._set(node, name, Availability="active")
        self._wait(
            lambda: [] if self._node(name)["Status"]["State"] == "ready" else ["it is not Ready"],
            f"{name} is active, and",
            patience,
        )
        self.progress.done(name, "active: it takes tasks")

    # -- promote and demote -------------------------------------------------------------------

    def promote(self, name: str, patience: float = PATIENCE) -> None:
        """It is a manager that the others reach."""
        node = self._node(name)
        if node["Spec"]["Role"] == "worker":
            # A demotion that is taken back in its middle leaves an engine that is neither.
            self._demoted = name
            self._until_worker(name, f"{name} is being demoted, and", patience)
        self._set(self._node(name), name, Role="manager")

        def lacking() -> list[str]:
            if _manager(self._node(name)) not in {"leader", "reachable"}:
                return ["not yet"]
            # The list says so first; the engine itself takes its part up a moment later.
            answers = name in self.seen.members
            return ["it is not ready"] if answers and not self._says_manager(name) else []

        self._wait(
            lacking,
            f"{name} is promoted, and the other managers do not reach it:",
            patience,
        )
        count = sum(bool(_manager(node)) for node in self._all())
        note = f"; {count} managers bear the loss of {(count - 1) // 2}"
        self.progress.done(name, f"a manager{note}")

    def demote(self, name: str, patience: float = PATIENCE) -> None:
        """It is a worker. Raises UserError where the swarm would be left without a quorum."""
        # Who is a manager may have changed since; whoever stays one is asked from here on.
        self._look()
        node = self._node(name)
        if _manager(node):
            self._may_go(node, name)
        self._demoted = name
        self._set(node, name, Role="worker")
        self.progress.phase(name, "waiting until it is no manager any more")
        self._until_worker(name, f"{name} is demoted, and", patience)
        self.progress.done(name, "a worker")

    def _until_worker(self, name: str, about: str, patience: float) -> None:
        def still() -> list[str]:
            # The list changes first; the engine itself lays its part down a moment later.
            is_one = _manager(self._node(name)) or self._says_manager(name)
            return ["it still is a manager"] if is_one else []

        self._wait(still, about, patience)

    def _says_manager(self, name: str) -> bool:
        """Whether a machine's own engine says so; one that does not answer cannot be asked."""
        if name not in self.seen.members:
            return False
        try:
            return members.member(self.machines[name]).manager
        except (MachineError, docker.errors.DockerException, requests.RequestException):
            return False

    def _may_go(self, node: dict[str, Any], name: str) -> None:
        managers = [other for other in self._all() if _manager(other)]
        rest = [other for other in managers if other["ID"] != node["ID"]]
        up = [other for other in rest if _manager(other) != "unreachable"]
        if not rest:
            raise UserError(
                f"{name} is the swarm's last manager, and cannot be demoted.",
                "Promote another one first: inv node.promote --machine NAME",
            )
        if not any(m.manager for other, m in self.seen.members.items() if other != name):
            raise UserError(
                f"The swarm's other managers are not in lab.toml, or cannot be reached: without "
                f"{name} it could not be asked any more.",
                "Promote another machine first: inv node.promote --machine NAME",
            )
        if len(up) <= len(rest) // 2:
            raise UserError(
                f"Without {name} the swarm would have no quorum: of its {len(rest)} other managers "
                f"{len(up)} can be reached, and {len(rest) // 2 + 1} are needed.",
                "Bring the others back, or demote those that are lost.",
            )

    # -- the swarm, asked ---------------------------------------------------------------------

    def _via(self) -> Machine:
        """A manager that answers, and stays one."""
        managers = [name for name, member in self.seen.members.items() if member.manager]
        stay = [n for n in (self.seen.leader, *managers) if n != self._demoted]
        return self.machines[(stay or managers)[0]]

    def _all(self) -> list[dict[str, Any]]:
        return [dict(node.attrs) for node in self._via().docker.nodes.list()]

    def _node(self, name: str) -> dict[str, Any]:
        machine = self.machines[name]
        member = self.seen.members.get(name)
        for node in self._all():
            found = (
                node["ID"] == member.node_id
                if member
                else node["Status"].get("Addr") == machine.address
            )
            if found:
                return node
        raise MachineError(f"{name} is not in the lab's swarm.", "Run inv up: it joins it.")

    def _set(self, node: dict[str, Any], name: str, **spec: str) -> None:
        try:
            node_spec.change(self._via(), node["ID"], **spec)
        except docker.errors.APIError as error:
            raise MachineError(f"{name}: {error.explanation or error}") from error

    def _tasks(self, node_id: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self._via().docker.api.tasks(filters={"node": node_id})
        return [task for task in tasks if task["Status"]["State"] not in _GONE]

    def _short(self, service_id: str) -> str:
        """What a replicated service lacks, in words, "" where it has all."""
        via = self._via()
        try:
            service = via.docker.services.get(service_id)
        except docker.errors.NotFound:
            return ""
        replicas = (service.attrs["Spec"].get("Mode") or {}).get("Replicated", {}).get("Replicas")
        if replicas is None:
            return ""
        tasks = via.docker.api.tasks(filters={"service": service_id, "desired-state": "running"})
        running = sum(task["Status"]["State"] == "running" for task in tasks)
        if running >= replicas:
            return ""
        errors = {task["Status"].get("Err", "") for task in tasks} - {""}
        return f"service {service.name} runs {running} of {replicas}: " + (
            "; ".join(sorted(errors)) or "its tasks are starting"
        )

    def _wait(self, lacking: Callable[[], list[str]], about: str, patience: float) -> None:
        def ask() -> list[str]:
            try:
                return lacking()
            except (docker.errors.APIError, requests.RequestException) as error:
                return [f"the swarm does not answer: {error}"]

        if seen := wait_until(ask, not_, patience, pause=0.3):
            raise MachineError(f"{about} {'; '.join(seen)}, after {patience:.0f} s.")


def _manager(node: dict[str, Any]) -> str:
    """ "leader", "reachable", "unreachable", or "" for a worker."""
    status = node.get("ManagerStatus") or {}
    return "leader" if status.get("Leader") else str(status.get("Reachability", ""))


def refuse_adopted(journal: Journal, name: str, verb: str) -> None:
    """Raise UserError where a verb would change a swarm that the lab has adopted.

    Nodes that the lab has joined to it may be drained and activated again, and no more.
    """
    if not any(journal.adopted(host) for host in journal.hosts()):
        return
    if journal.adopted(name):
        raise UserError(
            f"{name} is in an adopted swarm, which is not the lab's to change: inv node.{verb} is "
            "refused.",
            f"Its owner can: inv ssh {name}, then docker node --help",
        )
    if verb in {"promote", "demote"}:
        raise UserError(
            f"{name} has joined an adopted swarm, whose managers are not the lab's to change: "
            f"inv node.{verb} is refused.",
            "inv node.drain and inv node.activate work there.",
        )


def contradiction(lab: Lab, name: str, verb: str) -> str:
    """What the next `inv up` makes of a role that is another in lab.toml; "" where they agree."""
    made = {"promote": "manager", "demote": "worker"}.get(verb)
    role = lab.machine(name).role
    if made is None or made == role:
        return ""
    return f"{lab.file.name} calls {name} a {role}: the next inv up makes it one again."
