"""Docker removed from a host again: packages, daemon, group, by what the journal says of them."""

from __future__ import annotations

import shlex

import docker.errors
import requests

from provision.changes.journal import Entry
from provision.changes.outcome import Outcome
from provision.engine import apt, facts, paths
from provision.engine.apt import APT
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.progress import Progress

KINDS = ("packages", "daemon", "group")
_TROUBLE = (docker.errors.APIError, requests.RequestException)


def undo(machine: Machine, entry: Entry, outcome: Outcome, progress: Progress) -> bool:
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
    return _packages(machine, entry, outcome, progress)


def _packages(machine: Machine, entry: Entry, outcome: Outcome, progress: Progress) -> bool:
    """Remove what an installation has added, and take back what it has put on hold."""
    after = entry.after or facts.added(machine, entry.before)
    now = facts.before(machine)
    there, held = set(now["packages"].split()), set(now["holds"].split())
    names = [name for name in after["added"].split() if name in there]
    ours = sorted(held & set(after.get("held", "").split()))
    whole_engine = not entry.before.get("engine")
    if reason := _why_not(machine, whole_engine, names, held - set(ours)):
        outcome.left.append(reason)
        return False
    machine.close()
    if whole_engine:
        # An installation that was cut off may not have come to have them all.
        machine.run("systemctl disable --now docker.socket docker containerd", 120, sudo=True)
    if names or ours:
        _remove(machine, names, ours, entry, progress)
    if whole_engine:
        machine.run_checked(_clean_up(entry), 300, sudo=True)
        outcome.left.append(
            f"packet filter rules of Docker on {machine.name}: they go with its next boot"
        )
    still = set(facts.before(machine)["packages"].split()) & set(names)
    if still:
        raise MachineError(f"{machine.name}: still installed: {', '.join(sorted(still))}")
    what = f"the hold on {', '.join(ours)}" if ours and not names else "nothing of Docker"
    outcome.removed.append(f"{', '.join(names) or what} on {machine.name}")
    return True


def _why_not(machine: Machine, whole_engine: bool, names: list[str], held: set[str]) -> str:
    """Why an installation stays; "" where it can go. `held` are on hold, and not for the lab."""
    if whole_engine and (others := _belongings(machine)):
        return f"Docker on {machine.name}: it has what is not the lab's: {', '.join(others)}"
    if kept := sorted(held & set(names)):
        return f"{', '.join(kept)} on {machine.name}: somebody has put it on hold (apt-mark)"
    if names and (dragged := _dragged(machine, names)):
        return (
            f"{', '.join(names)} on {machine.name}: {', '.join(dragged)} would have to go as well"
        )
    return ""


def _remove(
    machine: Machine, names: list[str], held: list[str], entry: Entry, progress: Progress
) -> None:
    """Settings that were left there by an earlier installation stay (`remove`, not `purge`)."""
    words = shlex.join(names)
    earlier = entry.before.get("configs", "").split()
    purged = shlex.join(name for name in names if name not in earlier)
    lines = ["set -e", "if command -v apt-get >/dev/null; then"]
    lines += [f"  patiently apt-mark unhold {shlex.join(held)}"] if held else []
    lines += [
        f"  {APT} remove -y {words}",
        # Debian's package leaves it there, and `purge` deletes all of Docker's data with it.
        f"  rm -f {paths.GRAPH}/nuke-graph-directory.sh",
        f"  {APT} purge -y {purged}",
        f"else patiently rpm -e {words}; fi",
    ]
    done = apt.run(machine, "\n".join(lines), progress, timeout=900)
    if not done.ok:
        raise MachineError(f"{machine.name}: removing packages: {done.last_words}")


def _belongings(machine: Machine) -> list[str]:
    """Containers and volumes on an engine that the lab has installed, but not made itself."""
    # The command may be a package of its own, and outlive the engine.
    if not machine.run("PATH=$PATH:/usr/sbin:/sbin; command -v dockerd", timeout=30).ok:
        return []
    try:
        client = machine.docker
        found = [f"container {c.name}" for c in client.containers.list(all=True)]
        return found + [f"volume {volume.name}" for volume in client.volumes.list()]
    except _TROUBLE as error:
        raise MachineError(f"{machine.name}: Docker does not answer: {error}") from error


def _dragged(machine: Machine, names: list[str]) -> list[str]:
    """Packages that depend on those to be removed, and are not among them."""
    simulated = machine.run(
        # Nothing is locked for it. What is on hold is let go first.
        f"apt-get -q -s --allow-change-held-packages purge {shlex.join(names)}",
        120,
        sudo=True,
    )
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
    # What apt has read of Docker's repository goes with its entry there.
    lines.append(f"if [ -e {paths.APT_LIST} ]; then rm -f {paths.APT_READ}; fi")
    for path in (*paths.FOLDERS, *paths.REPOSITORY, paths.SAVED_OPTIONS):
        if path not in earlier:
            # The folder may be a mount of its own: then it is emptied, and stays.
            lines.append(
                f"if [ -d {path} ]; then find {path} -mindepth 1 -delete; rmdir {path} || true; "
                f"else rm -f {path}; fi"
            )
        elif path in empty:
            lines.append(f"find {path} -mindepth 1 -delete")
    if paths.SETTINGS in earlier:
        theirs = [name for name in entry.before.get("settings", "").split("/") if name]
        keep = " ".join(f"! -name {shlex.quote(name)}" for name in theirs)
        lines.append(f"find {paths.SETTINGS} -mindepth 1 -maxdepth 1 {keep} -exec rm -rf {{}} +")
    if paths.APT_KEYS not in earlier:
        lines.append(f"rmdir {paths.APT_KEYS} 2>/dev/null || true")
    if not entry.before.get("group"):
        lines.append("if getent group docker >/dev/null; then groupdel docker; fi")
    lines.append("ip link delete docker0 2>/dev/null || true")
    return "\n".join(lines)
