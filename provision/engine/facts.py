"""What a machine has of Docker, and what it had before something was installed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from provision.machine.machine import Machine

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
echo "snap=$(echo $(ls -d /snap/docker/current /var/lib/snapd/snap/docker/current 2>/dev/null))"
echo "dnf=$(command -v dnf)"
echo "apparmor=$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)"
echo "parser=$(command -v apparmor_parser)"
echo "user=$(id -un)"
echo "sudo=$([ "$(id -u)" = 0 ] || sudo -n true 2>&1 | tail -n 1)"
"""
# What is there before something is installed, to find out later what was added.
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

    `user` is the login, `no_sudo` what sudo says where it does not let it in unasked, `snap` where
    Docker lies as a snap.
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
    snap: str = ""


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
        snap=said.get("snap", ""),
    )


def before(machine: Machine) -> dict[str, str]:
    """What of packages, files, group and daemon is there now, as an entry of the journal has it."""
    files = shlex.join((*REPOSITORY_FILES, *DATA_FOLDERS))
    return _ask(machine, _BEFORE.replace("FILES", files), sudo=True)


def _ask(machine: Machine, script: str, sudo: bool = False) -> dict[str, str]:
    said = machine.run_checked(script, timeout=60, sudo=sudo).splitlines()
    return {key: value.strip() for key, _, value in (line.partition("=") for line in said)}


def added(machine: Machine, earlier: dict[str, str]) -> str:
    """The packages that have come since, separated by spaces."""
    now = before(machine)["packages"].split()
    return " ".join(sorted(set(now) - set(earlier.get("packages", "").split())))
