"""Init, join, health: a swarm over the lab's machines, converged from whatever state is there.

All through the Engine API, so that no join token is ever part of a command line.
The SDK's own `client.swarm` inspects the swarm first, which fails just where help is needed: on a
manager without a quorum. So its lower level is used.
Source: https://docs.docker.com/reference/api/engine/ (Swarm, Node).
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests
from tenacity import RetryError as TenacityRetryError
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from provision import agent
from provision.errors import MachineError
from provision.machine import Machine
from provision.parallel import each
from provision.progress import Progress

PORT = 2377


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
    return Member(
        state=said.get("LocalNodeState", "inactive"),
        node_id=said.get("NodeID", ""),
        manager=bool(said.get("ControlAvailable")),
        error=said.get("Error", ""),
        cluster=(said.get("Cluster") or {}).get("ID", ""),
    )


def converge(machines: dict[str, Machine], progress: Progress, patience: float = 180) -> None:
    """One swarm with every machine in its role, all Ready, and no stale entry.

    Looks first and does only what is missing: on a healthy swarm it changes nothing. A machine
    that was made anew under an old name joins as a new node, and the old entry is removed. Raises
    MachineError (or MachinesError) that names the node and what its daemon logged.
    """
    members = each("asking for the swarm", machines.values(), member)
    leader = _leader(machines, members, progress)
    known = {node["ID"] for node in _nodes(leader)}
    outside = [
        machine
        for machine in machines.values()
        if machine is not leader and members[machine.name].node_id not in known
    ]
    tokens = leader.docker.api.inspect_swarm()["JoinTokens"] if outside else {}
    # Each new manager changes the raft group; one at a time keeps its quorum at every moment.
    turn = threading.Lock()

    def join(machine: Machine) -> None:
        role = machine.plan.role
        if role == "manager":
            with turn:
                _join(machine, leader, tokens["Manager"], members[machine.name], progress)
        else:
            _join(machine, leader, tokens["Worker"], members[machine.name], progress)

    each("joining the swarm", outside, join, progress)
    _roles(machines, leader)
    _remove_stale(machines, leader)
    wait_ready(machines, leader, progress, patience)


def _leader(
    machines: dict[str, Machine], members: dict[str, Member], progress: Progress
) -> Machine:
    """A manager whose swarm answers: one there is, else a new swarm on the first manager."""
    managers = [machine for machine in machines.values() if machine.plan.role == "manager"]
    inside = [m for m in machines.values() if members[m.name].manager]
    for machine in inside:
        try:
            _nodes(machine)
        except docker.errors.APIError:
            continue
        return machine
    if inside:
        # Managers are there, but too few for a quorum: the others were lost. What this one knows
        # becomes a swarm of its own, which the others then join.
        # Source: https://docs.docker.com/engine/swarm/admin_guide/#recover-from-losing-the-quorum
        machine = inside[0]
        progress.phase(machine.name, "recovering the swarm from a lost quorum")
        machine.docker.api.init_swarm(
            advertise_addr=machine.address,
            listen_addr=f"{machine.address}:{PORT}",
            force_new_cluster=True,
        )
        return machine
    machine = managers[0]
    progress.phase(machine.name, "starting the swarm")
    if members[machine.name].state != "inactive":
        machine.docker.api.leave_swarm(force=True)
    agent.let_go(machine, progress)
    try:
        machine.docker.api.init_swarm(
            advertise_addr=machine.address,
            listen_addr=f"{machine.address}:{PORT}",
            data_path_addr=machine.address,
        )
    except docker.errors.APIError as error:
        raise MachineError(
            f"{machine.name}: the swarm could not be started: {error.explanation}",
            f"Is {machine.address} one of its addresses? inv ssh {machine.name}, then ip address",
        ) from error
    return machine


def _join(
    machine: Machine, leader: Machine, token: str, before: Member, progress: Progress
) -> None:
    if before.state != "inactive":
        # It belongs to a swarm that is gone, or to somebody else's; a stale one cannot join.
        progress.phase(machine.name, "leaving its old swarm")
        machine.docker.api.leave_swarm(force=True)
    agent.let_go(machine, progress)
    progress.phase(machine.name, f"joining the swarm of {leader.name}")
    try:
        machine.docker.api.join_swarm(
            remote_addrs=[f"{leader.address}:{PORT}"],
            join_token=token,
            advertise_addr=machine.address,
            listen_addr=f"{machine.address}:{PORT}",
            data_path_addr=machine.address,
        )
    except (docker.errors.APIError, requests.RequestException) as error:
        said = getattr(error, "explanation", None) or str(error)
        raise MachineError(
            f"{machine.name}: could not join the swarm at {leader.address}:{PORT}: {said}; "
            f"its daemon logged: {machine.daemon_log(2)}",
            f"Can {machine.name} reach {leader.address} on TCP {PORT}?",
        ) from error


def _roles(machines: dict[str, Machine], leader: Machine) -> None:
    """Promote and demote, where lab.toml has changed since the machines joined."""
    members = each("asking for the swarm", machines.values(), member)
    for machine in machines.values():
        node = leader.docker.nodes.get(members[machine.name].node_id)
        spec = dict(node.attrs["Spec"])
        if spec["Role"] != machine.plan.role:
            node.update({**spec, "Role": machine.plan.role})


def _remove_stale(machines: dict[str, Machine], leader: Machine) -> None:
    """Remove the entries that machines of ours have left behind when they were made anew."""
    current = {member(machine).node_id for machine in machines.values()}
    addresses = {machine.address for machine in machines.values()}
    for node in leader.docker.nodes.list():
        # Whatever its state: a machine that was made anew a moment ago still counts as Ready.
        stale = node.id not in current
        mine = node.attrs["Description"].get("Hostname") in machines or (
            node.attrs["Status"].get("Addr") in addresses
        )
        if stale and mine:
            if node.attrs["Spec"]["Role"] == "manager":
                # After a lost quorum it is no member of the raft group any more: then it just goes.
                with contextlib.suppress(docker.errors.NotFound):
                    node.update({**node.attrs["Spec"], "Role": "worker"})
            _retry_conflict(lambda gone=node: gone.remove(force=True))


def _retry_conflict(work: Any) -> None:
    """A demotion takes a moment to arrive; until then the removal is refused."""
    for attempt in Retrying(
        stop=stop_after_delay(30),
        wait=wait_fixed(0.5),
        retry=retry_if_exception(lambda error: isinstance(error, docker.errors.APIError)),
        reraise=True,
    ):
        with attempt:
            work()


def _nodes(machine: Machine) -> list[dict[str, Any]]:
    return [node.attrs for node in machine.docker.nodes.list()]


def _missing_networks(machine: Machine) -> list[str]:
    """The swarm's own networks that an engine has yet to make, a moment after it has joined."""
    there = {network.name for network in machine.docker.networks.list()}
    return sorted({"ingress", "docker_gwbridge"} - there)


def wait_ready(
    machines: dict[str, Machine], leader: Machine, progress: Progress, patience: float
) -> None:
    """Wait until every node is Ready (and every manager Reachable).

    Raises MachineError that names each node that is not, with its state and its daemon's log.
    """

    def lagging() -> dict[str, str]:
        try:
            nodes = {node["ID"]: node for node in _nodes(leader)}
        except (docker.errors.APIError, requests.RequestException) as error:
            return {leader.name: f"its swarm does not answer: {error}"}
        late: dict[str, str] = {}
        for machine in machines.values():
            node = nodes.get(ids[machine.name])
            if node is None:
                late[machine.name] = "not in the swarm's list of nodes"
            elif node["Status"]["State"] != "ready":
                message = node["Status"].get("Message", "")
                late[machine.name] = f"{node['Status']['State']} {message}".strip()
            elif machine.plan.role == "manager" and (
                (node.get("ManagerStatus") or {}).get("Reachability") != "reachable"
            ):
                late[machine.name] = "a manager that the others do not reach"
            elif absent := _missing_networks(machine):
                late[machine.name] = f"without its network {', '.join(absent)}"
        for name in machines:
            if name in late:
                progress.phase(name, f"waiting for Ready: {late[name]}")
            else:
                progress.done(name, "Ready in the swarm")
        return late

    ids = {machine.name: member(machine).node_id for machine in machines.values()}
    try:
        Retrying(
            stop=stop_after_delay(patience), wait=wait_fixed(0.5), retry=retry_if_result(bool)
        )(lagging)
    except TenacityRetryError as error:
        late: dict[str, str] = error.last_attempt.result()
        words = "; ".join(
            f"{name} is {state} (its daemon logged: {machines[name].daemon_log(2)})"
            for name, state in late.items()
        )
        raise MachineError(
            f"The swarm is not healthy after {patience:.0f} s: {words}",
            "Run inv up again: it goes on from here.",
        ) from None
