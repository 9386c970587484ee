"""Docker on a machine: facts first, then only what is missing. Running it again changes nothing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.engine.apt import APT
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all

# Each line says one thing as KEY=value; a machine without Docker answers it as well.
_FACTS = r"""
PATH=$PATH:/usr/sbin:/sbin
. /etc/os-release 2>/dev/null
echo "system=$ID"
echo "release=$VERSION_CODENAME"
echo "docker=$(command -v docker)"
echo "daemon=$(command -v dockerd)"
echo "version=$(dockerd --version 2>/dev/null | sed -n 's/^Docker version \([0-9][^,+]*\).*/\1/p')"
echo "tcpdump=$(command -v tcpdump)"
echo "active=$(systemctl is-active docker 2>/dev/null)"
echo "group=$(id -nG | tr ' ' '\n' | grep -x docker)"
echo "member=$(getent group docker | cut -d: -f4 | tr ',' '\n' | grep -x "$(id -un)")"
echo "apt=$(command -v apt-get)"
echo "dnf=$(command -v dnf)"
echo "apparmor=$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)"
echo "parser=$(command -v apparmor_parser)"
echo "user=$(id -un)"
echo "sudo=$([ "$(id -u)" = 0 ] || sudo -n true 2>&1 | tail -n 1)"
"""
# What is there before something is installed, so that it can be told from what was added.
_BEFORE = r"""
echo "packages=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null |
  sed -n 's/^ii *//p' | tr '\n' ' ')$(rpm -qa --qf '%{NAME} ' 2>/dev/null)"
echo "paths=$(for path in FILES; do [ -e $path ] && printf '%s ' $path; done)"
echo "empty=$(for path in FILES; do [ -d $path ] && [ -z "$(ls -A $path)" ] && printf '%s ' $path
  done)"
echo "settings=$(find /etc/docker -mindepth 1 -maxdepth 1 -printf '%f/' 2>/dev/null)"
echo "group=$(getent group docker)"
echo "engine=$(command -v dockerd)"
echo "active=$(systemctl is-active docker 2>/dev/null)"
echo "enabled=$(systemctl is-enabled docker 2>/dev/null)"
"""
REPOSITORY_FILES = (
    "/etc/apt/keyrings/docker.asc",
    "/etc/apt/sources.list.d/docker.list",
    "/etc/yum.repos.d/docker-ce.repo",
)
SETTINGS_FOLDER = "/etc/docker"
DATA_FOLDERS = ("/var/lib/docker", "/var/lib/containerd", SETTINGS_FOLDER)


@dataclass(frozen=True)
class Facts:
    """What a machine has of Docker. An empty text means: not there.

    `user` is the login, `no_sudo` what sudo says where it does not let it in unasked.
    """

    system: str
    release: str
    docker: str
    daemon: str
    version: str
    tcpdump: str
    active: bool
    group: bool
    member: bool
    apt: str
    dnf: str
    needs_apparmor_parser: bool
    user: str = "root"
    no_sudo: str = ""


def facts(machine: Machine) -> Facts:
    """Look, and change nothing. Raises MachineError when the machine cannot be reached."""
    said = _ask(machine, _FACTS)
    return Facts(
        system=said.get("system", ""),
        release=said.get("release", ""),
        docker=said.get("docker", ""),
        daemon=said.get("daemon", ""),
        version=said.get("version", ""),
        tcpdump=said.get("tcpdump", ""),
        active=said.get("active") == "active",
        group=bool(said.get("group")),
        member=bool(said.get("member")),
        apt=said.get("apt", ""),
        dnf=said.get("dnf", ""),
        needs_apparmor_parser=said.get("apparmor") == "Y" and not said.get("parser"),
        user=said.get("user", ""),
        no_sudo=said.get("sudo", ""),
    )


def before(machine: Machine) -> dict[str, str]:
    """What of packages, files, group and daemon is there now, as an entry of the journal has it."""
    files = shlex.join((*REPOSITORY_FILES, *DATA_FOLDERS))
    return _ask(machine, _BEFORE.replace("FILES", files), sudo=True)


def _ask(machine: Machine, script: str, sudo: bool = False) -> dict[str, str]:
    said = machine.run_checked(script, timeout=60, sudo=sudo).splitlines()
    return {key: value.strip() for key, _, value in (line.partition("=") for line in said)}


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
            packages += ["docker.io", "iptables"]
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


def changes(machine: str, seen: Facts, wanted: str, existing: bool) -> list[Change]:
    """What a machine needs until Docker answers and its login may use it.

    Raises MachineError where that cannot be given: no sudo, a system without a recipe, or a host
    that exists already (`existing`) with an engine of another version, which is not replaced.
    """
    if seen.no_sudo:
        raise MachineError(
            f"{machine}: {seen.user} may not use sudo without being asked: {seen.no_sudo}",
            f"Allow it there, in /etc/sudoers.d: {seen.user} ALL=(ALL) NOPASSWD:ALL",
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


def make(machine: Machine, change: Change, journal: Journal) -> None:
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
                "Mend its package sources or its way to them, and run inv up again.",
            )
        entry.after = {"added": added(machine, entry.before)} if change.kind == "packages" else {}


def _stopped(machine: Machine) -> bool:
    seen = facts(machine)
    return bool(seen.daemon) and not seen.active


def added(machine: Machine, earlier: dict[str, str]) -> str:
    """The packages that have come since, separated by spaces."""
    now = before(machine)["packages"].split()
    return " ".join(sorted(set(now) - set(earlier.get("packages", "").split())))


def settle(machines: dict[str, Machine], journal: Journal) -> None:
    """Finish the entries of installations that were cut off: what they have added is known now."""

    def finish(machine: Machine) -> None:
        for entry in journal.of(machine.name):
            if entry.kind == "packages" and entry.state == "begun":
                journal.finish(entry, {"added": added(machine, entry.before)})

    run_on_all("looking for what was cut off", machines.values(), finish)
