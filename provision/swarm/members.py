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

from provision.lab.model import SwarmSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.swarm import certificate

# Source: https://docs.docker.com/reference/cli/docker/swarm/init/
DEFAULT = SwarmSpec(("10.0.0.0/8",), 24, 4789)
# How often at least, and how long, a swarm is looked at before it counts as lost. After a power
# cut each engine takes its time to start, and then the managers elect a leader.
_LOOKS, _PAUSE, _PATIENCE = 3, 2.0, 120.0
_SHORT = 30.0  # seconds for a node that is starting and that a leader does not list


@dataclass(frozen=True)
class Member:
    """What one machine's engine says of its own membership (`docker info`, Swarm).

    `peers` are the managers that it last knew of: each one's node id and address. `spec` is how its
    swarm was started, which managers alone say.
    """

    state: str
    node_id: str
    manager: bool
    error: str
    cluster: str
    peers: tuple[tuple[str, str], ...] = ()
    spec: SwarmSpec | None = None

    @property
    def keeps_data(self) -> bool:
        """Whether it has the swarm's services, secrets and configs: a manager, or one that starts.

        Until a manager has started, its engine does not call itself one.
        """
        return self.manager or any(id_ == self.node_id for id_, _ in self.peers)

    @property
    def never_joined(self) -> bool:
        """Whether its engine is in no swarm, and only remembers a join that failed.

        Without a certificate it was no node yet, so it holds nothing.
        """
        return self.state == "error" and not self.node_id


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
        peers=tuple(
            (peer["NodeID"], peer["Addr"].rpartition(":")[0].strip("[]"))
            for peer in said.get("RemoteManagers") or []
        ),
        spec=_spec(said.get("Cluster") or {}),
    )


def _spec(cluster: dict[str, Any]) -> SwarmSpec | None:
    """How a swarm was started; what was left to the engine is null or 0."""
    if not cluster.get("ID"):
        return None
    return SwarmSpec(
        tuple(cluster.get("DefaultAddrPool") or DEFAULT.address_pool),
        int(cluster.get("SubnetSize") or 0) or DEFAULT.subnet_size,
        int(cluster.get("DataPathPort") or 0) or DEFAULT.data_path_port,
    )


@dataclass(frozen=True)
class Facts:
    """What the machines' engines say of the swarm.

    `members` has only machines whose engine answers. `leader` is a manager whose swarm answers
    ("" where none does), `nodes` its list of nodes, `lost` a manager that has no quorum, `silent`
    one whose engine did not answer in time. `empty` is whether the leader is the only node and its
    swarm has no services, secrets and configs.
    """

    members: dict[str, Member]
    nodes: tuple[dict[str, Any], ...] = ()
    leader: str = ""
    lost: str = ""
    silent: str = ""
    empty: bool = False

    def gone(self, name: str, addresses: dict[str, str]) -> list[str]:
        """The machines that were managers of a member's swarm, and are not in it any more.

        `addresses` are the machines' own, by name: a manager's address outlasts its node id.
        """
        present = {found.node_id for found in self.members.values() if found.state != "inactive"}
        lost = {address for id_, address in self.members[name].peers if id_ not in present}
        return [
            name
            for name, found in self.members.items()
            if addresses.get(name) in lost and not found.manager
        ]

    def passing(self, addresses: dict[str, str]) -> bool:
        """Whether time can change it: an engine is starting, or managers are electing a leader.

        It cannot where too many managers are known to be gone.
        """
        if self.leader:
            known = {node["ID"] for node in self.nodes}
            return any(
                found.state == "pending" and found.node_id not in known
                for found in self.members.values()
            )
        if self.lost:
            return self._can_elect(self.lost, addresses)
        return bool(self.silent) or any(
            found.state == "pending" and (found.manager or self._can_elect(name, addresses))
            for name, found in self.members.items()
        )

    def _can_elect(self, name: str, addresses: dict[str, str]) -> bool:
        """Whether a majority of the managers that a member knows of may still be there."""
        found = self.members[name]
        managers = {id_ for id_, _ in found.peers} | ({found.node_id} if found.manager else set())
        return 2 * len(self.gone(name, addresses)) < max(len(managers), 1)


def look(machines: dict[str, Machine], progress: Progress | None = None) -> Facts:
    """Ask every engine, and change nothing. Raises MachinesError where one does not answer.

    What time can change is looked at again before anything is concluded from it.
    """
    addresses = {name: machine.address for name, machine in machines.items()}
    begin = time.monotonic()
    looks = 0
    while True:
        seen = _facts(machines, run_on_all("asking for the swarm", machines.values(), _again))
        looks += 1
        patience = _SHORT if seen.leader else _PATIENCE
        late = looks >= _LOOKS and time.monotonic() - begin >= patience
        if late or not seen.passing(addresses):
            return seen
        if progress and looks == _LOOKS:
            progress.say("waiting for the swarm: its engines start, or its managers elect a leader")
        time.sleep(_PAUSE)


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
            nodes = tuple(nodes_of(machines[name]))
            return Facts(members, nodes, name, empty=_is_empty(machines[name], nodes))
        except docker.errors.APIError:
            lost = lost or name
        except requests.RequestException:
            silent = silent or name
    return Facts(members, lost=lost, silent=silent)


def _is_empty(leader: Machine, nodes: tuple[dict[str, Any], ...]) -> bool:
    """Whether a swarm has one node and holds nothing. What has no name yet is no node."""
    named = [node for node in nodes if (node.get("Description") or {}).get("Hostname")]
    if len(named) > 1:
        return False
    engine = leader.docker
    return not (engine.services.list() or engine.secrets.list() or engine.configs.list())


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
