"""Docker on a machine: facts first, then only what is missing. Running it again changes nothing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import docker.errors
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.errors import MachineError
from provision.machine import Machine
from provision.progress import Progress

# dpkg is told to wait for a lock: fresh cloud images update themselves behind one's back.
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"

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
"""


@dataclass(frozen=True)
class Facts:
    """What a machine has of Docker. An empty text means: not there."""

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


def facts(machine: Machine) -> Facts:
    """Look, and change nothing. Raises MachineError when the machine cannot be reached."""
    said = dict(
        line.split("=", 1) for line in machine.must(_FACTS, timeout=60).splitlines() if "=" in line
    )
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
    )


def installation(seen: Facts, wanted: str) -> str:
    """The shell text that installs what is missing; empty when nothing is.

    `wanted` is "distribution" (any engine will do) or a version of Docker's own repository.
    Sources: https://docs.docker.com/engine/install/debian/ and …/fedora/. Raises MachineError for
    a system that it has no recipe for.
    """
    right_engine = bool(seen.docker and seen.daemon) and (
        wanted in ("distribution", seen.version) or seen.version.startswith(f"{wanted}.")
    )
    packages = [] if seen.tcpdump else ["tcpdump"]
    if seen.needs_apparmor_parser:
        # Without it every container fails: "docker-default profile could not be loaded".
        packages.append("apparmor")
    if right_engine and not packages:
        return ""
    lines = ["set -e"]
    if seen.apt:
        # An installation that was cut off (power, kill -9) is finished first.
        lines += ["dpkg --configure -a", f"{_APT} update"]
        if not right_engine and wanted == "distribution":
            packages += ["docker.io", "iptables"]
        elif not right_engine:
            lines += _docker_repository_apt(seen, wanted)
        if packages:
            lines.append(f"{_APT} install -y --no-install-recommends {' '.join(packages)}")
        return "\n".join(lines)
    if seen.dnf:
        if not right_engine and wanted == "distribution":
            packages.append("moby-engine")
        elif not right_engine:
            lines += _docker_repository_dnf(seen, wanted)
        if packages:
            lines.append(f"dnf -y install {' '.join(packages)}")
        return "\n".join(lines)
    raise MachineError(
        f"no recipe to install Docker on {seen.system or 'this system'} (neither apt-get nor dnf)",
        "Install Docker Engine and tcpdump there by hand, or take a Debian, Ubuntu or Fedora box.",
    )


def _docker_repository_apt(seen: Facts, wanted: str) -> list[str]:
    base = f"https://download.docker.com/linux/{shlex.quote(seen.system)}"
    pattern = shlex.quote(rf"^[0-9]+:{wanted.replace('.', chr(92) + '.')}[.~-]")
    return [
        f"{_APT} install -y --no-install-recommends ca-certificates curl",
        "install -m 0755 -d /etc/apt/keyrings",
        f"curl -fsSL {base}/gpg -o /etc/apt/keyrings/docker.asc",
        "chmod a+r /etc/apt/keyrings/docker.asc",
        'echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc]'
        f' {base} {shlex.quote(seen.release)} stable" > /etc/apt/sources.list.d/docker.list',
        f"{_APT} update",
        "version=$(apt-cache madison docker-ce | awk '{print $3}' | grep -E "
        + pattern
        + " | head -n 1)",
        f'[ -n "$version" ] || {{ echo "Docker\'s repository has no docker-ce {wanted}" >&2;'
        " exit 1; }",
        f"{_APT} install -y --no-install-recommends --allow-downgrades "
        '"docker-ce=$version" "docker-ce-cli=$version" containerd.io',
    ]


def _docker_repository_dnf(seen: Facts, wanted: str) -> list[str]:
    system = "fedora" if seen.system == "fedora" else "centos"
    repository = f"https://download.docker.com/linux/{system}/docker-ce.repo"
    return [
        f"curl -fsSL {repository} -o /etc/yum.repos.d/docker-ce.repo",
        f"dnf -y install 'docker-ce-3:{wanted}*' 'docker-ce-cli-1:{wanted}*' containerd.io",
    ]


def ensure(machine: Machine, wanted: str, progress: Progress) -> str:
    """Docker installed, running, answering, and usable by the login; its version.

    Raises MachineError with the installer's or the daemon's own last words.
    """
    progress.phase(machine.name, "looking for Docker")
    seen = facts(machine)
    try:
        script = installation(seen, wanted)
    except MachineError as error:
        raise MachineError(f"{machine.name}: {error}", error.advice) from None
    if script:
        progress.phase(machine.name, "installing Docker")
        done = machine.run(script, timeout=1800, sudo=True)
        if not done.ok:
            raise MachineError(
                f"{machine.name}: Docker could not be installed: {done.last_words}",
                "Mend its package sources or its way to them, and run inv up again.",
            )
        seen = facts(machine)
    if not seen.active:
        progress.phase(machine.name, "starting Docker")
        started = machine.run("systemctl enable --now docker", timeout=300, sudo=True)
        if not started.ok:
            raise MachineError(
                f"{machine.name}: Docker does not start: {machine.daemon_log()}",
                f"inv ssh {machine.name}, then sudo journalctl -u docker",
            )
    if not (machine.is_root or seen.group):
        if not seen.member:
            machine.must('usermod -aG docker "$SUDO_USER"', sudo=True)
        # A group counts from the next login on.
        machine.reconnect()
    progress.phase(machine.name, "waiting for Docker to answer")
    return wait(machine)


def wait(machine: Machine, patience: float = 120) -> str:
    """Wait until the engine answers; its version. Raises MachineError with the daemon's log."""
    try:
        for attempt in Retrying(
            stop=stop_after_delay(patience),
            wait=wait_fixed(0.5),
            retry=retry_if_exception_type(
                (MachineError, docker.errors.DockerException, requests.RequestException)
            ),
            reraise=True,
        ):
            with attempt:
                return str(machine.docker.version()["Version"])
    except (MachineError, docker.errors.DockerException, requests.RequestException) as error:
        raise MachineError(
            f"{machine.name}: the Docker Engine did not answer within {patience:.0f} s; "
            f"its log says: {machine.daemon_log()}",
            f"inv ssh {machine.name}, then sudo journalctl -u docker",
        ) from error
    raise AssertionError("unreachable: Retrying either returns or raises")
