"""What is missing until the lab's machines are one swarm: decided from facts alone.

Source: https://docs.docker.com/engine/swarm/admin_guide/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab.model import Lab, SwarmSpec
from provision.support.errors import MachineError
from provision.swarm.members import Facts, Member

FLAG = "inv up --recover-swarm"


@dataclass(frozen=True)
class Allowed:
    """What the user allows `up` to do to a swarm that it finds, each by a flag.

    `adopt` to use one that existed before. `recover` to lose what a swarm of the lab's own holds,
    where it cannot be brought back otherwise.
    """

    adopt: bool = False
    recover: bool = False


def plan(lab: Lab, seen: Facts, journal: Journal, allowed: Allowed | None = None) -> list[Change]:
    """What is missing until every machine is in one swarm, in its role, without stale entries.

    An existing host that is in a swarm which Swarmrig has not made is refused; where the user
    allows it, that swarm is used, if it is one and the same, and its hosts' roles are the lab's.
    What would lose a swarm's services, secrets and configs is refused, too, unless it is allowed.
    Raises MachineError.
    """
    allowed = allowed or Allowed()
    theirs = {
        name: member
        for name, member in seen.members.items()
        if member.state != "inactive"
        and not journal.owns(name, member.node_id)
        and not journal.adopts(name, member.node_id)
    }
    found = _adopted(lab, seen, theirs, allowed.adopt)
    known = {node["ID"]: node for node in seen.nodes}
    outdated = {name for name in _outdated(seen, known) if not journal.adopted(name)}
    _see_states(seen, journal, allowed)
    _see_adopted(lab, seen, known, journal, {*theirs})
    _see_losses(lab, seen, known, allowed)
    if _start_was_cut_off(lab, seen, journal):
        seen, known = replace(seen, leader="", nodes=()), {}
    if allowed.recover:
        outdated |= {name for name, member in seen.members.items() if member.state == "error"}
    inside = {name for name, member in seen.members.items() if member.node_id in known} - outdated
    leader = seen.leader
    if not leader and seen.lost:
        # Managers are there, but too few for a quorum: the others were lost. What this one knows
        # becomes a swarm of its own, which the others then join.
        # Source: https://docs.docker.com/engine/swarm/admin_guide/#recover-from-losing-the-quorum
        return [Change(seen.lost, "swarm-recover", "recover the swarm from a lost quorum")]
    if not leader:
        leader = lab.managers[0].name
        found += _leave(seen, leader)
        given = lab.swarm.words()
        words = f"start the swarm ({', '.join(given)})" if given else "start the swarm"
        found.append(Change(leader, "swarm-init", words, ("manager",)))
        inside.add(leader)
    for machine in lab.machines:
        if machine.name not in inside:
            found += _leave(seen, machine.name)
            words = f"join the swarm of {leader} as a {machine.role}"
            found.append(Change(machine.name, "swarm-join", words, (machine.role,)))
    found += _roles(lab, seen, known)
    return found + _stale(lab, seen, outdated, leader, journal)


def notes(lab: Lab, seen: Facts) -> list[str]:
    """What lab.toml asks of a swarm and the one that runs does not have: it cannot be changed."""
    member = seen.members.get(seen.leader)
    if member is None or member.spec is None:
        return []
    wanted, has = lab.swarm, member.spec
    both = SwarmSpec(
        wanted.address_pool or has.address_pool,
        wanted.subnet_size or has.subnet_size,
        wanted.data_path_port or has.data_path_port,
    )
    return [
        f"{seen.leader}: its swarm has {is_}, not {asked}; a swarm keeps what it was started with"
        for asked, is_ in zip(both.words(), has.words(), strict=True)
        if asked != is_
    ]


def _start_was_cut_off(lab: Lab, seen: Facts, journal: Journal) -> bool:
    """Whether the leader's swarm was being started when everything ended, by a power cut say.

    Such a swarm may have no key to sign certificates with: it looks healthy, and nobody can ever
    join it. It holds nothing yet, so it is started again.
    Source: ErrNoValidSigner in https://github.com/moby/swarmkit/blob/master/ca/certificates.go
    """
    if not seen.leader or not seen.empty:
        return False
    if journal.existing:
        return journal.cut_off(seen.leader) == "swarm-init"
    # Nothing is written down of virtual machines; an `up` that has ended well is.
    return not lab.files.ready.exists()


def _see_states(seen: Facts, journal: Journal, allowed: Allowed) -> None:
    """Refuse to change a swarm that only waits for somebody: what it holds would be lost."""
    for name, found in seen.members.items():
        if found.never_joined:
            continue
        said = f": {found.error}" if found.error else ""
        if found.state == "locked":
            raise MachineError(
                f"{name}: its swarm is locked (autolock), and was left as it is.",
                f"Unlock it: inv ssh {name}, then docker swarm unlock; then run inv up again.",
            )
        if found.state == "error" and (journal.adopted(name) or not allowed.recover):
            raise MachineError(
                f"{name}: its swarm is in the state error, and was left as it is{said}",
                f"See inv ssh {name}, then docker info. A certificate that is not yet valid: set "
                "the clock right, restart Docker there, and run inv up again"
                + (
                    ". One that has expired: ask whoever runs that swarm."
                    if journal.adopted(name)
                    else _or_leave([name])
                ),
            )
        if found.state == "pending" and found.keeps_data and not (seen.leader or seen.lost):
            raise MachineError(
                f"{name}: its swarm is still starting (state pending), and was left as it is{said}",
                f"Run inv up again in a moment; or see inv ssh {name}, then docker info.",
            )
    if seen.silent and not seen.leader:
        raise MachineError(
            f"{seen.silent}: its engine did not say in time what swarm it manages, asked again "
            "and again; nothing was changed.",
            f"See inv ssh {seen.silent}, then docker node ls; then run inv up again.",
        )


def _or_leave(names: list[str]) -> str:
    """The way that loses something, with what it loses."""
    return (
        f"; or let {' and '.join(names)} leave it: {FLAG}. The services, secrets and configs that "
        "only they hold are lost."
    )


def _see_losses(lab: Lab, seen: Facts, known: dict[str, dict[str, Any]], allowed: Allowed) -> None:
    """Refuse what loses a swarm's services, secrets and configs, unless it is allowed."""
    if allowed.recover:
        return
    addresses = {machine.name: machine.address for machine in lab.machines}
    if seen.lost and not seen.leader:
        raise _lost_quorum(seen, addresses)
    inside = {
        name: found
        for name, found in seen.members.items()
        if found.state != "inactive" and not found.never_joined
    }
    if seen.leader:
        # Its swarm is another one than the lab's: nobody else may have what it holds.
        if others := [n for n, m in inside.items() if m.keeps_data and m.node_id not in known]:
            raise MachineError(
                f"{', '.join(others)}: manager of another swarm than {seen.leader}'s, and was left "
                "as it is.",
                f"See inv ssh {others[0]}, then docker node ls{_or_leave(others)}",
            )
        return
    # No machine manages a swarm. What its managers held is gone where they are known to be gone.
    present = {found.node_id for found in inside.values()}
    here = set(addresses.values())
    for name, found in inside.items():
        if not found.peers or any(id_ in present or at not in here for id_, at in found.peers):
            raise MachineError(
                f"{name}: in a swarm whose managers are not in the lab, or do not say that they "
                "are managers, and was left as it is.",
                f"See inv ssh {name}, then docker info{_or_leave([name])}",
            )


def _lost_quorum(seen: Facts, addresses: dict[str, str]) -> MachineError:
    name = seen.lost
    gone = seen.gone(name, addresses)
    why = f"; not in it any more: {', '.join(gone)}" if gone else ""
    return MachineError(
        f"{name}: its swarm has no leader, for too few of its managers reach each other (lost "
        f"quorum{why}). It was left as it is. Recovering it makes {name} the only manager: the "
        "membership of the other managers is lost, and so are services, secrets and configs that "
        f"{name} has no copy of.",
        "Bring the other managers back and run inv up again; where they are gone for good: " + FLAG,
    )


def _see_adopted(
    lab: Lab,
    seen: Facts,
    known: dict[str, dict[str, Any]],
    journal: Journal,
    adopting: set[str],
) -> None:
    """Refuse whatever would change somebody else's swarm, which the lab only uses."""
    names = [machine.name for machine in lab.machines if journal.adopted(machine.name)]
    if names and not seen.leader:
        raise MachineError(
            f"{', '.join(names)}: no manager of the swarm that the lab has adopted answers"
            + (f" ({seen.lost} has no quorum)" if seen.lost else "")
            + ". It is not the lab's to start or recover.",
            f"See inv ssh {names[0]}, then docker info. Where it is gone for good: inv destroy, "
            "then inv up.",
        )
    for name in names:
        found = seen.members.get(name)
        if found is None or found.state == "inactive":
            raise MachineError(
                f"{name}: is no longer in the swarm that the lab has adopted.",
                "Join it there by hand; or inv destroy, then inv up.",
            )
        node = known.get(found.node_id)
        if node is None:
            raise MachineError(
                f"{name}: the swarm that the lab has adopted does not list it any more.",
                f"See inv ssh {name}, then docker info. The lab does not make it leave.",
            )
    if not names and not adopting:
        return
    # Those of the lab's own machines that have joined it keep their roles as well.
    for machine in lab.machines:
        member = seen.members.get(machine.name)
        node = known.get(member.node_id) if member else None
        if node and node["Spec"]["Role"] != machine.role:
            raise _other_role(machine.name, node["Spec"]["Role"], machine.role)


def _other_role(name: str, role: str, wanted: str) -> MachineError:
    return MachineError(
        f"{name}: a {role} in the swarm it is in, and lab.toml calls it a {wanted}.",
        f'Write role = "{role}": the roles in an adopted swarm are not changed.',
    )


def _adopted(lab: Lab, seen: Facts, theirs: dict[str, Member], adopt: bool) -> list[Change]:
    if not theirs:
        return []
    names = ", ".join(theirs)
    if not adopt:
        raise MachineError(
            f"{names}: in a swarm already, which Swarmrig has not made.",
            "Leave it there by hand (docker swarm leave), or let the lab use that swarm: "
            "inv up --adopt-swarm",
        )
    nodes = {node["ID"]: node for node in seen.nodes}
    for name, found in theirs.items():
        if found.node_id not in nodes:
            raise MachineError(
                f"{name}: in another swarm than {seen.leader or 'the other machines'}, or in one "
                "whose managers are not in lab.toml.",
                f"Leave it by hand, if nobody needs it: inv ssh {name}, then docker swarm leave",
            )
        role, wanted = nodes[found.node_id]["Spec"]["Role"], lab.machine(name).role
        if role != wanted:
            raise _other_role(name, role, wanted)
    return [
        Change(name, "swarm-adopt", "use the swarm that it is in already", (theirs[name].node_id,))
        for name in theirs
    ]


def _leave(seen: Facts, name: str) -> list[Change]:
    # It belongs to a swarm of the lab's that is gone: a stale member cannot join.
    state = seen.members[name].state if name in seen.members else "inactive"
    return [Change(name, "swarm-leave", "leave its old swarm")] if state != "inactive" else []


def _roles(lab: Lab, seen: Facts, known: dict[str, dict[str, Any]]) -> list[Change]:
    """Where lab.toml has changed since the machines joined; new managers before old ones go."""
    up, down = [], []
    for machine in lab.machines:
        node = known.get(seen.members[machine.name].node_id) if machine.name in seen.members else {}
        if node and node["Spec"]["Role"] != machine.role:
            if machine.role == "manager":
                up.append(Change(machine.name, "swarm-promote", "make it a manager", (node["ID"],)))
            else:
                down.append(Change(machine.name, "swarm-demote", "make it a worker", (node["ID"],)))
    return up + down


def _outdated(seen: Facts, known: dict[str, dict[str, Any]]) -> set[str]:
    """Managers that were demoted while they were down.

    Such a one comes back as a manager of a swarm without a leader, asks nobody else, and stays
    Down for good: it can only leave and join again.
    """
    found = set()
    for name, own in seen.members.items():
        node = known.get(own.node_id)
        demoted = node is not None and own.manager and not node.get("ManagerStatus")
        lost = own.state == "pending" or (node or {}).get("Status", {}).get("State") == "down"
        if demoted and lost:
            found.add(name)
    return found


def _stale(
    lab: Lab, seen: Facts, outdated: set[str], leader: str, journal: Journal
) -> list[Change]:
    """The entries that machines of ours have left behind when they were recreated.

    Whatever their state: a machine that was recreated a moment ago still counts as Ready. One
    whose join was cut off before its engine had said what it is has neither name nor address.
    """
    current = {m.node_id for name, m in seen.members.items() if name not in outdated}
    current |= _not_ours(lab, seen, journal)
    addresses = {machine.address for machine in lab.machines}
    # In the swarm of hosts that exist, somebody else's node may well have one of our names.
    names = set() if journal.existing else {machine.name for machine in lab.machines}
    # And one that nobody knows yet may be joining it at this moment, unless it is what our own join
    # has left: a manager that has started a moment ago does not call it down yet.
    cut_off = any(journal.cut_off(machine.name) for machine in lab.machines)
    lost = {"down", "unknown"} if cut_off or not journal.existing else {"down"}
    return [
        Change(
            leader,
            "swarm-entry",
            f"remove the entry that {_hostname(node) or 'a join that was cut off'} has left behind",
            (node["ID"],),
        )
        for node in seen.nodes
        if node["ID"] not in current
        and (
            _hostname(node) in names
            or node["Status"].get("Addr") in addresses
            or (not _hostname(node) and node["Status"].get("State") in lost)
        )
    ]


def _hostname(node: dict[str, Any]) -> str:
    return str((node.get("Description") or {}).get("Hostname", ""))


def _not_ours(lab: Lab, seen: Facts, journal: Journal) -> set[str]:
    """The nodes of an adopted swarm that no machine of the lab has made by joining it."""
    hosts = [machine.name for machine in lab.machines]
    in_it = any(
        found.state != "inactive" and not journal.owns(name, found.node_id)
        for name, found in seen.members.items()
    )
    if not in_it and not any(journal.adopted(name) for name in hosts):
        return set()
    joined = {node for name in hosts for node in journal.joined(name)}
    return {node["ID"] for node in seen.nodes} - joined
