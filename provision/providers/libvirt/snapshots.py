"""Checkpoints as libvirt's internal snapshots, of one moment: all machines are suspended.

They are the snapshots that `vagrant snapshot` shows as well. Each machine is suspended before the
first is saved, and resumed after the last, so that what is on its way between two machines (TCP,
the swarm's raft) survives. Source: https://libvirt.org/formatsnapshot.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provision.providers.libvirt.virsh import run
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all

_LIMIT = 900.0  # seconds; memory is written to a disk that may be slow


@dataclass(frozen=True)
class _Domain:
    name: str
    domain: str


def _all(what: str, domains: Sequence[_Domain], work: Callable[[str], object]) -> None:
    run_on_all(what, domains, lambda one: work(one.domain))


def _named(prefix: str, names: Sequence[str]) -> list[_Domain]:
    return [_Domain(name, prefix + name) for name in names]


def listed(prefix: str, names: Sequence[str]) -> list[str]:
    """The names of the snapshots that every machine has, oldest first."""
    found = run_on_all(
        "listing checkpoints",
        _named(prefix, names),
        lambda one: run("snapshot-list", one.domain, "--topological", "--name").split(),
    )
    first, *others = found.values()
    return [name for name in first if all(name in other for other in others)]


def save(prefix: str, names: Sequence[str], snapshot: str) -> None:
    """Snapshot all machines at one moment. Raises MachinesError; none has half of one then."""
    domains = _named(prefix, names)
    forget(prefix, names, snapshot)
    try:
        _all("suspending", domains, lambda domain: run("suspend", domain))
        _all("saving a checkpoint", domains, lambda domain: _create(domain, snapshot))
    finally:
        resume(prefix, names)


def _create(domain: str, snapshot: str) -> None:
    words = ("snapshot-create-as", domain, snapshot, "Made by Swarmrig")
    try:
        run(*words, limit=_LIMIT)
    except MachineError:
        if not _has(domain, snapshot):
            raise
        # The virsh of a killed command was still running: its snapshot is of an earlier moment.
        _delete(domain, snapshot)
        run(*words, limit=_LIMIT)


def restore(prefix: str, names: Sequence[str], network: str, snapshot: str) -> None:
    """Set all machines back; each stays suspended until the last one is set back."""
    inactive = run("net-list", "--inactive", "--name").split()
    for one in {network, f"{network}-mgmt"} & set(inactive):
        run("net-start", one)
    domains = _named(prefix, names)
    _all(
        "restoring the checkpoint",
        domains,
        lambda domain: run("snapshot-revert", domain, snapshot, "--paused", limit=_LIMIT),
    )
    resume(prefix, names)


def resume(prefix: str, names: Sequence[str]) -> list[str]:
    """Resume every machine that is suspended; returns their names."""
    paused = set(run("list", "--state-paused", "--name").split())
    suspended = [one for one in _named(prefix, names) if one.domain in paused]
    _all("resuming", suspended, lambda domain: run("resume", domain))
    return [one.name for one in suspended]


def forget(prefix: str, names: Sequence[str], snapshot: str) -> None:
    """Delete a snapshot on every machine that has it."""
    _all("deleting a checkpoint", _named(prefix, names), lambda domain: _delete(domain, snapshot))


def _delete(domain: str, snapshot: str) -> None:
    if not _has(domain, snapshot):
        return
    try:
        run("snapshot-delete", domain, snapshot, limit=_LIMIT)
    except MachineError:
        # The virsh of a killed command may have deleted it first.
        if _has(domain, snapshot):
            raise


def _has(domain: str, snapshot: str) -> bool:
    return snapshot in run("snapshot-list", domain, "--name").split()
