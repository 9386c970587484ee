"""Init, join, health: a swarm over the lab's machines, converged from whatever state is there.

All through the Engine API, so that no join token is ever part of a command line.
The SDK's own `client.swarm` inspects the swarm first, which fails just where help is needed: on a
manager without a quorum. So its lower level is used.
Source: https://docs.docker.com/reference/api/engine/ (Swarm, Node).
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from operator import not_

import docker.errors
import requests

from provision.changes.change import Change, carry_out
from provision.changes.journal import Journal
from provision.lab.model import Lab, SwarmSpec
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from provision.support.wait import wait_until
from provision.swarm import gossip_port, leave, members, node_spec
from provision.swarm.members import Facts, member, missing_networks, nodes_of, unready
from provision.swarm.plan import Allowed, plan

PORT = 2377
_JOINING = 60.0  # seconds that a join may go on after the engine's call has ended
_BARE = "without its network"


def converge(
    lab: Lab,
    machines: dict[str, Machine],
    progress: Progress,
    journal: Journal | None = None,
    allowed: Allowed | None = None,
    patience: float = 180,
) -> None:
    """One swarm with every machine in its role, all Ready, and no stale entry.

    Looks first and does only what is missing: on a healthy swarm it changes nothing. A machine
    that was recreated under an old name joins as a new node, and the old entry is removed. What
    would lose a swarm's content is refused unless it is `allowed`. Raises MachineError (or
    MachinesError) that names the node and what its daemon logged.
    """
    journal = journal or Journal()
    seen = members.look(machines, progress)
    todo = plan(lab, seen, journal, allowed)
    if recovers := [change.machine for change in todo if change.kind == "swarm-recover"]:
        _apply(lab, machines, seen, todo, journal, progress)
        # Only now the swarm can be asked who is in it.
        seen = members.look(machines, progress)
        if seen.leader:
            progress.say(_recovered(machines[recovers[0]]))
        todo = plan(lab, seen, journal, allowed)
    leader = _apply(lab, machines, seen, todo, journal, progress)
    wait_ready(machines, leader, progress, patience)


def _recovered(machine: Machine) -> str:
    """What came of a recovery, in words."""
    engine = machine.docker
    return (
        f"recovered the swarm of {machine.name}, which is its only manager until others join: it "
        f"has {len(engine.services.list())} services, {len(engine.secrets.list())} secrets and "
        f"{len(engine.configs.list())} configs"
    )


@dataclass
class _Forming:
    """A swarm that is being formed: `leader` gives the tokens, `acting` changes the others."""

    lab: Lab
    leader: Machine
    acting: Machine
    journal: Journal
    progress: Progress
    tokens: dict[str, str] = field(default_factory=dict)
    # Each new manager changes the raft group; one at a time keeps its quorum at every moment.
    turn: threading.Lock = field(default_factory=threading.Lock)

    def make(self, machine: Machine, change: Change) -> None:
        """Carry one change out, and write it down."""
        present = {"gwbridge": " ".join(_gwbridge(machine))}
        with self.journal.writing(change, present) as entry:
            match change.kind:
                case "swarm-leave":
                    machine.docker.api.leave_swarm(force=True)
                case "swarm-init":
                    gossip_port.let_go(machine, self.progress)
                    _init(machine, self.lab.swarm)
                case "swarm-recover":
                    _init(machine, None)
                case "swarm-join":
                    self._join(machine, change)
                case "swarm-promote" | "swarm-demote":
                    role = "manager" if change.kind == "swarm-promote" else "worker"
                    node_spec.change(self.acting, change.items[0], Role=role)
                case "swarm-entry":
                    leave.remove_entry(self.acting, change.items[0])
            entry.after = {"node": member(machine).node_id}

    def _join(self, machine: Machine, change: Change) -> None:
        gossip_port.let_go(machine, self.progress)
        self.progress.phase(machine.name, change.what)
        if change.items[0] == "manager":
            with self.turn:
                _join(machine, self.leader, self.tokens["Manager"])
        else:
            _join(machine, self.leader, self.tokens["Worker"])


def _apply(
    lab: Lab,
    machines: dict[str, Machine],
    seen: Facts,
    todo: list[Change],
    journal: Journal,
    progress: Progress,
) -> Machine:
    """Carry the changes out; the machine whose swarm they lead to."""
    first = next((c.machine for c in todo if c.kind in ("swarm-init", "swarm-recover")), "")
    leader = machines[first or seen.leader]
    forming = _Forming(lab, leader, leader, journal, progress)
    start = [c for c in todo if c.machine == first and c.kind != "swarm-entry"]
    joins = [c for c in todo if c not in start and c.kind in ("swarm-leave", "swarm-join")]
    rest = [c for c in todo if c not in start and c not in joins]
    carry_out("starting the swarm", machines, start, forming.make, progress)
    if joins:
        forming.tokens.update(leader.docker.api.inspect_swarm()["JoinTokens"])
        carry_out("joining the swarm", machines, joins, forming.make, progress)
    for change in rest:
        if change.kind == "swarm-demote":
            forming.acting = _lasting(machines, forming.acting)
        progress.phase(change.machine, change.what)
        forming.make(machines[change.machine], change)
    return _lasting(machines, forming.acting)


def _lasting(machines: dict[str, Machine], leader: Machine) -> Machine:
    """A manager that stays one: one just promoted, where `leader` is to be a worker.

    Where none is ready within a minute it stays `leader`, and what follows says so.
    """

    def ready(machine: Machine) -> bool:
        with contextlib.suppress(docker.errors.APIError):
            return members.member(machine).manager and bool(members.nodes_of(machine))
        return False

    wanted = [machine for machine in machines.values() if machine.plan.role == "manager"]
    if leader in wanted:
        return leader
    wait_until(lambda: any(ready(machine) for machine in wanted), bool, 60)
    return next((machine for machine in wanted if ready(machine)), leader)


def _gwbridge(machine: Machine) -> list[str]:
    return [n.name for n in machine.docker.networks.list(names=["docker_gwbridge"]) if n.name]


def _init(machine: Machine, spec: SwarmSpec | None) -> None:
    """Start a swarm, or (None) recover the one that the machine manages without a quorum."""
    given = spec or SwarmSpec()
    try:
        machine.docker.api.init_swarm(
            advertise_addr=machine.address,
            listen_addr=f"{machine.address}:{PORT}",
            data_path_addr=machine.address if spec else None,
            force_new_cluster=spec is None,
            default_addr_pool=list(given.address_pool) or None,
            subnet_size=given.subnet_size,
            data_path_port=given.data_path_port,
        )
    except docker.errors.APIError as error:
        raise MachineError(
            f"{machine.name}: the swarm could not be started: {error.explanation}",
            f"Is {machine.address} one of its addresses? inv ssh {machine.name}, then ip address",
        ) from error


def _join(machine: Machine, leader: Machine, token: str) -> None:
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
        if _joins_by_itself(machine):
            return
        raise MachineError(
            f"{machine.name}: could not join the swarm at {leader.address}:{PORT}: {said}; "
            f"its daemon logged: {machine.daemon_log(2)}",
            f"Can {machine.name} reach {leader.address} on TCP {PORT}?",
        ) from error


def _joins_by_itself(machine: Machine) -> bool:
    """Whether an engine whose call has ended without an answer comes into the swarm after all.

    An engine answers after 20 s at the latest, and goes on trying: on a busy computer a join takes
    longer.
    Source: errSwarmJoinTimeoutReached in
    https://github.com/moby/moby/blob/v26.1.5/daemon/cluster/errors.go
    """
    found = wait_until(
        lambda: member(machine),
        lambda found: found.state != "pending",
        _JOINING,
        unanswered=(requests.RequestException,),
    )
    return found.state == "active"


def wait_ready(
    machines: dict[str, Machine], leader: Machine, progress: Progress, patience: float
) -> None:
    """Wait until every node is Ready, in its role (see `unready`), and has its networks.

    Raises MachineError that names each node that is not, with its state and its daemon's log.
    """

    complete: set[str] = set()

    def lagging() -> dict[str, str]:
        try:
            nodes = {node["ID"]: node for node in nodes_of(leader)}
        except (docker.errors.APIError, requests.RequestException) as error:
            return {leader.name: f"its swarm does not answer: {error}"}
        said = {m.name: unready(m.plan.role, nodes.get(ids[m.name])) for m in machines.values()}
        late = {name: why for name, why in said.items() if why}
        waiting = [m for m in machines.values() if m.name not in late and m.name not in complete]
        for name, absent in run_on_all("asking for networks", waiting, missing_networks).items():
            if absent:
                late[name] = f"{_BARE} {', '.join(absent)}"
            else:
                complete.add(name)
        for name in machines:
            if name in late:
                progress.phase(name, f"waiting for Ready: {late[name]}")
            else:
                progress.done(name, "Ready in the swarm")
        return late

    members = run_on_all("asking for the swarm", machines.values(), member)
    ids = {name: found.node_id for name, found in members.items()}
    if late := wait_until(lagging, not_, patience):
        words = "; ".join(
            f"{name} is {state} (its daemon logged: {machines[name].daemon_log(2)})"
            for name, state in late.items()
        )
        raise MachineError(
            f"The swarm is not healthy after {patience:.0f} s: {words}",
            _way_out(late),
        )


def _way_out(late: dict[str, str]) -> str:
    """What to do about nodes that are late. An engine that could not make the swarm's networks, on
    a full disk say, does so when it starts again, and not before."""
    if bare := [name for name, why in late.items() if why.startswith(_BARE)]:
        names = ", ".join(bare)
        return f"Run sudo systemctl restart docker on {names}, then inv up again."
    return "Run inv up again: it resumes from here."
