"""Docker removed from a host again: packages, daemon, group, by what the journal says of them."""

from __future__ import annotations

import shlex

import docker.errors
import requests

from provision.changes.journal import Entry
from provision.changes.outcome import Outcome
from provision.engine import facts
from provision.engine.apt import APT
from provision.machine.machine import Machine
from provision.support.errors import MachineError

KINDS = ("packages", "daemon", "group")
_TROUBLE = (docker.errors.APIError, requests.RequestException)


def undo(machine: Machine, entry: Entry, outcome: Outcome) -> bool:
    """Undo an installation, a start, a group; whether that is done."""
    if entry.kind == "group":
        # Where the group has gone with the engine there is nothing left to leave.
        user = shlex.quote(entry.items[0])
        machine.run_checked(
            f"if id -nG {user} | grep -qw docker; then gpasswd -d {user} docker; fi",
            sudo=True,
        )
        outcome.removed.append(f"{entry.items[0]} from the group docker on {machine.name}")
        return True
    if entry.kind == "daemon":
        if entry.before.get("active") != "active":
            machine.run_checked("systemctl stop docker.socket docker", 120, sudo=True)
        if entry.before.get("enabled") == "disabled":
            machine.run_checked("systemctl disable docker", sudo=True)
        outcome.removed.append(f"Docker's start on {machine.name}")
        return True
    return _packages(machine, entry, outcome)


def _packages(machine: Machine, entry: Entry, outcome: Outcome) -> bool:
    known = entry.after.get("added")
    added = (facts.added(machine, entry.before) if known is None else known).split()
    whole_engine = not entry.before.get("engine")
    if whole_engine and (others := _belongings(machine)):
        outcome.left.append(
            f"Docker on {machine.name}: it has what is not the lab's: {', '.join(others)}"
        )
        return False
    there = set(facts.before(machine)["packages"].split())
    names = [name for name in added if name in there]
    if names and (dragged := _dragged(machine, names)):
        outcome.left.append(
            f"{machine.name}: {', '.join(entry.items)}: {', '.join(dragged)} "
            "would have to go as well"
        )
        return False
    machine.close()
    if whole_engine:
        # An installation that was cut off may not have come to have them all.
        machine.run("systemctl disable --now docker.socket docker containerd", 120, sudo=True)
    if names:
        _remove(machine, names)
    if whole_engine:
        machine.run_checked(_clean_up(entry), 300, sudo=True)
        outcome.left.append(
            f"packet filter rules of Docker on {machine.name}: they go with its next boot"
        )
    still = set(facts.before(machine)["packages"].split()) & set(names)
    if still:
        raise MachineError(f"{machine.name}: still installed: {', '.join(sorted(still))}")
    outcome.removed.append(f"{', '.join(names) or 'nothing of Docker'} on {machine.name}")
    return True


def _remove(machine: Machine, names: list[str]) -> None:
    words = shlex.join(names)
    purge = f"{APT} purge -y {words}"
    script = f"if command -v apt-get >/dev/null; then {purge}; else rpm -e {words}; fi"
    done = machine.run(script, 900, sudo=True)
    if not done.ok:
        raise MachineError(f"{machine.name}: removing packages: {done.last_words}")


def _belongings(machine: Machine) -> list[str]:
    """Containers and volumes on an engine that the lab has installed, but not made itself."""
    if not machine.run("command -v docker", timeout=30).ok:
        return []
    try:
        client = machine.docker
        found = [f"container {c.name}" for c in client.containers.list(all=True)]
        return found + [f"volume {volume.name}" for volume in client.volumes.list()]
    except _TROUBLE as error:
        raise MachineError(f"{machine.name}: Docker does not answer: {error}") from error


def _dragged(machine: Machine, names: list[str]) -> list[str]:
    """Packages that depend on those to be removed, and are not among them."""
    simulated = machine.run(f"{APT} -s purge {shlex.join(names)}", 120, sudo=True)
    going = {
        line.split()[1]
        for line in simulated.stdout.splitlines()
        if line.startswith(("Purg", "Remv"))
    }
    return sorted(going - set(names))


def _clean_up(entry: Entry) -> str:
    """The shell text that removes what Docker's packages leave behind, and was not there before."""
    earlier = set(entry.before.get("paths", "").split())
    empty = set(entry.before.get("empty", "").split())
    lines = ["set -e"]
    for path in (*facts.DATA_FOLDERS, *facts.REPOSITORY_FILES):
        if path not in earlier:
            # The folder may be a mount of its own: then it is emptied, and stays.
            lines.append(
                f"if [ -d {path} ]; then find {path} -mindepth 1 -delete; rmdir {path} || true; "
                f"else rm -f {path}; fi"
            )
        elif path in empty:
            lines.append(f"find {path} -mindepth 1 -delete")
    if facts.SETTINGS_FOLDER in earlier:
        theirs = [name for name in entry.before.get("settings", "").split("/") if name]
        keep = " ".join(f"! -name {shlex.quote(name)}" for name in theirs)
        lines.append(
            f"find {facts.SETTINGS_FOLDER} -mindepth 1 -maxdepth 1 {keep} -exec rm -rf {{}} +"
        )
    if not entry.before.get("group"):
        lines.append("if getent group docker >/dev/null; then groupdel docker; fi")
    lines.append("ip link delete docker0 2>/dev/null || true")
    return "\n".join(lines)
