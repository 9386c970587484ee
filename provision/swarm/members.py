"""What the machines' engines say of the swarm.

Source: https://docs.docker.com/reference/api/engine/ (Swarm, Node).
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.swarm import certificate

_LOOKS, _PAUSE = 3, 2.0  # before a swarm counts as lost


@dataclass(frozen=True)
class Member:
    """What one machine's engine says of its own membership (`docker info`, Swarm)."""

    state: str
    node_id: str
    manager: bool
    error: str
    cluster: str


def member(machine: Machine) -> Member:
    """Ask a machine's engine for its membership."""
    said = machine.docker.info().get("Swarm", {})
    state, node_id = said.get("LocalNodeState", "inactive"), said.get("NodeID", "")
    if state in {"error", "locked"}:
        node_id = node_id or certificate.node_id(machine)
    return Member(
        state=state,
        node_id=node_id,
        manager=bool(said.get("ControlAvailable")),
        error=said.get("Error", ""),
        cluster=(said.get("Cluster") or {}).get("ID", ""),
    )


@dataclass(frozen=True)
class Facts:
    """What the machines' engines say of the swarm.

    `members` has only machines whose engine answers. `leader` is a manager whose swarm answers
    ("" where none does), `nodes` its list of nodes, `lost` a manager that has no quorum, `silent`
    one whose engine did not answer in time.
    """

    members: dict[str, Member]
    nodes: tuple[dict[str, Any], ...] = ()
    leader: str = ""
    lost: str = ""
    silent: str = ""

    @property
    def passing(self) -> bool:
        """Whether a moment can change it: a manager is starting, or did not answer."""
        pending = any(found.state == "pending" for found in self.members.values())
        return not self.leader and bool(self.lost or self.silent or pending)


def look(machines: dict[str, Machine]) -> Facts:
    """Ask every engine, and change nothing. Raises MachinesError where one does not answer.

    What a moment can change is looked at again before anything is concluded from it.
    """

    def once() -> Facts:
        return _facts(machines, run_on_all("asking for the swarm", machines.values(), _again))

    seen = once()
    for _ in range(_LOOKS - 1):
        if not seen.passing:
            break
        time.sleep(_PAUSE)
        seen = once()
    return seen


def _again(machine: Machine) -> Member:
    with contextlib.suppress(requests.RequestException):
        return member(machine)
    return member(machine)


def look_where_possible(machines: dict[str, Machine]) -> Facts:
    """The same of those machines whose engine answers now; the others are left out."""

    def ask(machine: Machine) -> Member | None:
        try:
            machine.connect(patience=2)
            return member(machine)
        except (MachineError, docker.errors.DockerException, requests.RequestException):
            return None

    said = run_on_all("asking for the swarm", machines.values(), ask)
    return _facts(machines, {name: found for name, found in said.items() if found})


def _facts(machines: dict[str, Machine], members: dict[str, Member]) -> Facts:
    lost = silent = ""
    for name in (name for name, found in members.items() if found.manager):
        try:
            return Facts(members, tuple(nodes_of(machines[name])), name)
        except docker.errors.APIError:
            lost = lost or name
        except requests.RequestException:
            silent = silent or name
    return Facts(members, lost=lost, silent=silent)


def nodes_of(machine: Machine) -> list[dict[str, Any]]:
    return [node.attrs for node in machine.docker.nodes.list()]


def missing_networks(machine: Machine) -> list[str]:
    """The swarm's own networks that an engine has yet to make, a moment after it has joined."""
    there = {network.name for network in machine.docker.networks.list()}
    return sorted({"ingress", "docker_gwbridge"} - there)


def unready(role: str, node: dict[str, Any] | None) -> str:
    """Why a node of that role is not ready yet, "" where it is. `node` is the swarm's entry of it.

    A demotion is written down at once and comes about a moment later: a leader first hands over,
    and then the new one asks all nodes whether they are still there.
    """
    if node is None:
        return "not in the swarm's list of nodes"
    state, manager = node["Status"], node.get("ManagerStatus") or {}
    if state["State"] != "ready":
        return f"{state['State']} {state.get('Message', '')}".strip()
    if role == "manager" and manager.get("Reachability") != "reachable":
        return "a manager that the others do not reach"
    if role == "worker" and manager:
        return "a manager still, that becomes a worker"
    return ""
