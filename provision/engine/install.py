"""Docker on a machine: facts first, then only what is missing. Running it again changes nothing."""

from __future__ import annotations

import shlex

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.engine import apt, live_restore, repository, systems
from provision.engine.apt import APT
from provision.engine.facts import Facts, added, before, facts
from provision.engine.systems import DISTRIBUTION
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress

# Debian 13's docker.io only recommends the docker command; older systems have it in docker.io.
# Without certificates an engine can pull from no registry.
_ENGINE = ("docker.io", "docker-cli", "iptables", "ca-certificates")


def installation(seen: Facts, wanted: str, existing: bool = False) -> str:
    """The shell text that installs what is missing; empty when nothing is.

    `wanted` is "distribution" (any engine will do) or a version of Docker's own repository. On a
    host that exists already (`existing`) no package is removed for it, and none on hold is changed.
    The text uses the functions of `apt.whole`. Raises MachineError for a system that it has no
    recipe for.
    """
    right_engine = _right_engine(seen, wanted)
    packages = _tools(seen, right_engine, existing)
    if right_engine and not packages:
        return ""
    systems.check(seen)
    engine = "" if right_engine else wanted
    if seen.apt:
        lines = _with_apt(seen, engine, packages, existing)
    else:
        lines = _with_dnf(seen, engine, packages)
    # Fedora's package does not start it.
    start = [] if right_engine else ["systemctl enable --now docker"]
    return "\n".join(["set -e", *lines, *start])


def _tools(seen: Facts, right_engine: bool, existing: bool) -> list[str]:
    """The packages beside Docker's own that are missing."""
    found = [] if seen.tcpdump else ["tcpdump"]
    if seen.needs_apparmor_parser:
        # Without it every container fails: "docker-default profile could not be loaded".
        found.append("apparmor")
    if not existing and seen.apt and not seen.iperf3 and (found or not right_engine):
        # Only `inv measure` needs it: it comes where something is installed anyway, and apt leaves
        # out a package that its sources do not have. A host that exists already never gets it.
        found.append("iperf3")
    return found


def _with_apt(seen: Facts, engine: str, packages: list[str], existing: bool) -> list[str]:
    only = "--no-remove" if existing else "--allow-change-held-packages"
    options = f"--no-install-recommends {only}"
    # An installation that was cut off (power, kill -9) is finished first.
    lines = [apt.CONFIGURE, f"{APT} update"]
    if engine == DISTRIBUTION:
        lines.append(
            "known docker.io || { echo 'the package sources have no docker.io' >&2; exit 1; }"
        )
        packages = [*packages, *_ENGINE]
    elif engine:
        lines += repository.apt(systems.source(seen), engine, options)
    if packages:
        lines.append(f"{APT} install -y {options} $(lacking {' '.join(packages)})")
    return lines


def _with_dnf(seen: Facts, engine: str, packages: list[str]) -> list[str]:
    lines = []
    if engine == DISTRIBUTION:
        packages = [*packages, systems.own_rpm(seen)]
    elif engine:
        lines += repository.dnf(systems.source(seen), engine)
    if packages:
        lines.append(f"patiently dnf -y install {' '.join(packages)}")
    if engine == DISTRIBUTION:
        # Newer releases have the docker command apart.
        lines.append("command -v docker >/dev/null || patiently dnf -y install docker-cli")
        lines.append(live_restore.TURN_OFF)
    return lines


def _right_engine(seen: Facts, wanted: str) -> bool:
    return bool(seen.docker and seen.daemon) and (
        wanted in (DISTRIBUTION, seen.version) or seen.version.startswith(f"{wanted}.")
    )


def plan(machine: str, seen: Facts, wanted: str, existing: bool) -> list[Change]:
    """What a machine needs until Docker answers and its login may use it.

    Raises MachineError where that cannot be given: no sudo, a system without a recipe, an engine
    that a swarm is not possible with, or a host that exists already (`existing`) with an engine of
    another version, which is not replaced.
    """
    _refuse(machine, seen, wanted, existing)
    right = _right_engine(seen, wanted)
    found: list[Change] = []
    try:
        script = installation(seen, wanted, existing)
    except MachineError as error:
        raise MachineError(f"{machine}: {error}", error.advice) from None
    if script:
        what = [] if right else ["Docker" if wanted == DISTRIBUTION else f"Docker {wanted}"]
        what += _tools(seen, right, existing)
        tool = "apt-get" if seen.apt else "dnf"
        words = f"install {', '.join(what)} with {tool}"
        found.append(Change(machine, "packages", words, tuple(what), script))
    if right and seen.unheld:
        # An installation that was cut off had not come to it.
        items = tuple(seen.unheld.split())
        words = f"hold {', '.join(items)} back from upgrades"
        found.append(Change(machine, "packages", words, items, f"set -e\n{repository.HOLD}"))
    if right and not seen.active:
        start = "systemctl enable --now docker"
        found.append(Change(machine, "daemon", "start Docker, now and at boot", (), start))
    if seen.user != "root" and not (seen.group or seen.member):
        let_in = f"usermod -aG docker {shlex.quote(seen.user)}"
        words = f"put {seen.user} into the group docker"
        found.append(Change(machine, "group", words, (seen.user,), let_in))
    return found


def _refuse(machine: str, seen: Facts, wanted: str, existing: bool) -> None:
    """Raises MachineError where Docker may or can not be installed, or used as it is."""
    if seen.no_sudo:
        raise MachineError(
            f"{machine}: {seen.user} may not use sudo without being asked: {seen.no_sudo}",
            f"Allow it there, in /etc/sudoers.d: {seen.user} ALL=(ALL) NOPASSWD:ALL",
        )
    if seen.snap:
        raise MachineError(
            f"{machine}: has Docker as a snap ({seen.snap}). A snap keeps Docker from the host's "
            "files, daemon.json and plugins, and a second engine beside it would be in its way.",
            "Remove it there (snap remove docker), or take another host.",
        )
    live_restore.check(machine, seen)
    if existing and seen.daemon and not seen.docker:
        raise MachineError(
            f"{machine}: has a Docker daemon and no docker command.",
            "Install it there by hand (Debian and Ubuntu: the package docker-cli).",
        )
    if existing and seen.daemon and not _right_engine(seen, wanted):
        raise MachineError(
            f"{machine}: has Docker {seen.version}, and lab.toml wants {wanted}. An engine that "
            "was there before is not replaced.",
            'Take what is there (docker.version = "distribution"), or change it by hand.',
        )


def apply(machine: Machine, change: Change, journal: Journal, progress: Progress) -> None:
    """Carry one change out. Raises MachineError with the installer's or daemon's last words."""
    with journal.writing(change, before(machine)) as entry:
        done = apt.run(machine, change.script, progress, timeout=1800)
        if done.exit_code == apt.LOCKED:
            raise MachineError(
                f"{machine.name}: {change.what}: {done.last_words}",
                "Wait until it has finished there, or end it, and run inv up again.",
            )
        if not done.ok and (change.kind == "daemon" or _stopped(machine)):
            raise MachineError(
                f"{machine.name}: Docker does not start: {machine.daemon_log()}",
                f"inv ssh {machine.name}, then sudo journalctl -u docker",
            )
        if not done.ok:
            raise MachineError(
                f"{machine.name}: {change.what}: {done.last_words}",
                "Fix its package sources or network access, and run inv up again.",
            )
        entry.after = added(machine, entry.before) if change.kind == "packages" else {}


def _stopped(machine: Machine) -> bool:
    seen = facts(machine)
    return bool(seen.daemon) and not seen.active


def settle(machines: dict[str, Machine], journal: Journal) -> None:
    """Finish the entries of installations that were cut off: what they have added is known now."""

    def finish(machine: Machine) -> None:
        for entry in journal.of(machine.name):
            if entry.kind == "packages" and entry.state == "begun":
                journal.finish(entry, added(machine, entry.before))

    run_on_all("looking for what was cut off", machines.values(), finish)
