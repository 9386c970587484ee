"""Docker on a machine: facts first, then only what is missing. Running it again changes nothing."""

from __future__ import annotations

import shlex

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.engine.apt import APT
from provision.engine.facts import Facts, added, before, facts
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all

# Debian 13's docker.io only recommends the docker command; older systems have it in docker.io.
_CLI = "$(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli)"


def installation(seen: Facts, wanted: str) -> str:
    """The shell text that installs what is missing; empty when nothing is.

    `wanted` is "distribution" (any engine will do) or a version of Docker's own repository.
    Sources: https://docs.docker.com/engine/install/debian/ and …/fedora/. Raises MachineError for
    a system that it has no recipe for.
    """
    right_engine = _right_engine(seen, wanted)
    packages = [] if seen.tcpdump else ["tcpdump"]
    if seen.needs_apparmor_parser:
        # Without it every container fails: "docker-default profile could not be loaded".
        packages.append("apparmor")
    if right_engine and not packages:
        return ""
    lines = ["set -e"]
    # Fedora's package does not start it.
    start = [] if right_engine else ["systemctl enable --now docker"]
    if seen.apt:
        # An installation that was cut off (power, kill -9) is finished first.
        lines += ["dpkg --configure -a", f"{APT} update"]
        if not right_engine and wanted == "distribution":
            packages += ["docker.io", "iptables", _CLI]
        elif not right_engine:
            lines += _docker_repository_apt(seen, wanted)
        if packages:
            lines.append(f"{APT} install -y --no-install-recommends {' '.join(packages)}")
        return "\n".join(lines + start)
    if seen.dnf:
        if not right_engine and wanted == "distribution":
            packages.append("moby-engine")
        elif not right_engine:
            lines += _docker_repository_dnf(seen, wanted)
        if packages:
            lines.append(f"dnf -y install {' '.join(packages)}")
        return "\n".join(lines + start)
    raise MachineError(
        f"no recipe to install Docker on {seen.system or 'this system'} (neither apt-get nor dnf)",
        "Install Docker Engine and tcpdump there by hand, or take a Debian, Ubuntu or Fedora box.",
    )


def _docker_repository_apt(seen: Facts, wanted: str) -> list[str]:
    base = f"https://download.docker.com/linux/{shlex.quote(seen.system)}"
    pattern = shlex.quote(rf"^[0-9]+:{wanted.replace('.', chr(92) + '.')}[.~-]")
    return [
        f"{APT} install -y --no-install-recommends ca-certificates curl",
        "install -m 0755 -d /etc/apt/keyrings",
        f"curl -fsSL {base}/gpg -o /etc/apt/keyrings/docker.asc",
        "chmod a+r /etc/apt/keyrings/docker.asc",
        'echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc]'
        f' {base} {shlex.quote(seen.release)} stable" > /etc/apt/sources.list.d/docker.list',
        f"{APT} update",
        "version=$(apt-cache madison docker-ce | awk '{print $3}' | grep -E "
        + pattern
        + " | head -n 1)",
        f'[ -n "$version" ] || {{ echo "Docker\'s repository has no docker-ce {wanted}" >&2;'
        " exit 1; }",
        f"{APT} install -y --no-install-recommends --allow-downgrades "
        '"docker-ce=$version" "docker-ce-cli=$version" containerd.io',
    ]


def _docker_repository_dnf(seen: Facts, wanted: str) -> list[str]:
    system = "fedora" if seen.system == "fedora" else "centos"
    repository = f"https://download.docker.com/linux/{system}/docker-ce.repo"
    return [
        f"curl -fsSL {repository} -o /etc/yum.repos.d/docker-ce.repo",
        f"dnf -y install 'docker-ce-3:{wanted}*' 'docker-ce-cli-1:{wanted}*' containerd.io",
    ]


def _right_engine(seen: Facts, wanted: str) -> bool:
    return bool(seen.docker and seen.daemon) and (
        wanted in ("distribution", seen.version) or seen.version.startswith(f"{wanted}.")
    )


def plan(machine: str, seen: Facts, wanted: str, existing: bool) -> list[Change]:
    """What a machine needs until Docker answers and its login may use it.

    Raises MachineError where that cannot be given: no sudo, a system without a recipe, or a host
    that exists already (`existing`) with an engine of another version, which is not replaced.
    """
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
    right = _right_engine(seen, wanted)
    if existing and seen.daemon and not seen.docker:
        raise MachineError(
            f"{machine}: has a Docker daemon and no docker command.",
            "Install it there by hand (Debian and Ubuntu: the package docker-cli).",
        )
    if existing and seen.daemon and not right:
        raise MachineError(
            f"{machine}: has Docker {seen.version}, and lab.toml wants {wanted}. An engine that "
            "was there before is not replaced.",
            'Take what is there (docker.version = "distribution"), or change it by hand.',
        )
    found: list[Change] = []
    try:
        script = installation(seen, wanted)
    except MachineError as error:
        raise MachineError(f"{machine}: {error}", error.advice) from None
    if script:
        what = [] if right else ["Docker" if wanted == "distribution" else f"Docker {wanted}"]
        what += [] if seen.tcpdump else ["tcpdump"]
        what += ["apparmor"] if seen.needs_apparmor_parser else []
        tool = "apt-get" if seen.apt else "dnf"
        words = f"install {', '.join(what)} with {tool}"
        found.append(Change(machine, "packages", words, tuple(what), script))
    if right and not seen.active:
        start = "systemctl enable --now docker"
        found.append(Change(machine, "daemon", "start Docker, now and at boot", (), start))
    if seen.user != "root" and not (seen.group or seen.member):
        let_in = f"usermod -aG docker {shlex.quote(seen.user)}"
        words = f"put {seen.user} into the group docker"
        found.append(Change(machine, "group", words, (seen.user,), let_in))
    return found


def apply(machine: Machine, change: Change, journal: Journal) -> None:
    """Carry one change out. Raises MachineError with the installer's or daemon's last words."""
    with journal.writing(change, before(machine)) as entry:
        done = machine.run(change.script, timeout=1800, sudo=True)
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
        entry.after = {"added": added(machine, entry.before)} if change.kind == "packages" else {}


def _stopped(machine: Machine) -> bool:
    seen = facts(machine)
    return bool(seen.daemon) and not seen.active


def settle(machines: dict[str, Machine], journal: Journal) -> None:
    """Finish the entries of installations that were cut off: what they have added is known now."""

    def finish(machine: Machine) -> None:
        for entry in journal.of(machine.name):
            if entry.kind == "packages" and entry.state == "begun":
                journal.finish(entry, {"added": added(machine, entry.before)})

    run_on_all("looking for what was cut off", machines.values(), finish)
