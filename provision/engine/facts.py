"""What a machine has of Docker, and what it had before something was installed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from provision.engine import paths
from provision.machine.machine import Machine

# Those of Docker's own repository that are of one version, or belong to it.
PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io")
# Where live-restore is on and no file says so.
UNKNOWN = "?"

# Each line says one thing as KEY=value; a machine without Docker answers it as well.
_FACTS = r"""
PATH=$PATH:/usr/sbin:/sbin
root=; [ "$(id -u)" = 0 ] || root="sudo -n"
[ ! -r /etc/os-release ] || . /etc/os-release
echo "system=$ID"
echo "release=$VERSION_CODENAME"
echo "ubuntu=$UBUNTU_CODENAME"
echo "debian=$DEBIAN_CODENAME"
echo "docker=$(command -v docker)"
echo "daemon=$(command -v dockerd)"
echo "version=$(dockerd --version 2>/dev/null | sed -n 's/^Docker version \([0-9][^,+]*\).*/\1/p')"
echo "tcpdump=$(command -v tcpdump)"
echo "iperf3=$(command -v iperf3)"
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
echo "unheld=$([ ! -e LIST ] || for package in PACKAGES; do
  case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
    h*) ;;
    ?i*) echo "$package" ;;
  esac
done | xargs)"
unit=$(systemctl cat docker 2>/dev/null)
# Asked only where it runs: a question starts an engine that waits for one at its socket.
echo "live=$([ "$(systemctl is-active docker 2>/dev/null)" != active ] ||
  timeout 20 $root docker info -f '{{.LiveRestoreEnabled}}' 2>/dev/null)"
echo "live_in=$({
  $root grep -lsE '"live-restore"[[:space:]]*:[[:space:]]*true' /etc/docker/daemon.json
  files=$(echo "$unit" | sed -n 's/^# \(\/[^ ]*\)$/\1/p; s/^EnvironmentFile=-\{0,1\}//p')
  [ -z "$files" ] || $root grep -lsE \
    '^[^#]*--live-restore(=true)?([^=[:alnum:]-]|$)' $files
} | xargs)"
"""
# What is there before something is installed, to find out later what was added.
_BEFORE = r"""
echo "packages=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null |
  sed -n 's/^.i *//p' | tr '\n' ' ')$(rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\n' 2>/dev/null |
  sed 's/^gpg-pubkey /gpg-pubkey-/; s/ .*//' | tr '\n' ' ')"
echo "configs=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null |
  sed -n 's/^.c *//p' | tr '\n' ' ')"
echo "holds=$(apt-mark showhold 2>/dev/null | tr '\n' ' ')"
echo "paths=$(for path in FILES; do [ -e $path ] && printf '%s ' $path; done)"
echo "empty=$(for path in FILES; do [ -d $path ] && [ -z "$(ls -A $path)" ] && printf '%s ' $path
  done)"
echo "settings=$(find /etc/docker -mindepth 1 -maxdepth 1 -printf '%f/' 2>/dev/null)"
echo "group=$(getent group docker)"
echo "engine=$(command -v dockerd)"
echo "active=$(systemctl is-active docker 2>/dev/null)"
echo "enabled=$(systemctl is-enabled docker 2>/dev/null)"
"""


@dataclass(frozen=True)
class Facts:
    """What a machine has of Docker. An empty text means: not there.

    `user` is the login, `no_sudo` what sudo says where it does not let it in unasked, `snap` where
    Docker lies as a snap. `ubuntu_codename` and `debian_codename` are what a derivative is made
    of. `live_restore` has the files that turn live-restore on (or UNKNOWN), `unheld` the packages
    of Docker's repository that Swarmrig has yet to hold back.
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
    ubuntu_codename: str = ""
    debian_codename: str = ""
    live_restore: str = ""
    unheld: str = ""
    iperf3: str = ""


def facts(machine: Machine) -> Facts:
    """Look, and change nothing. Raises MachineError when the machine cannot be reached."""
    said = _ask(
        machine, _FACTS.replace("LIST", paths.APT_LIST).replace("PACKAGES", " ".join(PACKAGES))
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
        user=said.get("user", ""),
        no_sudo=said.get("sudo", ""),
        snap=said.get("snap", ""),
        ubuntu_codename=said.get("ubuntu", ""),
        debian_codename=said.get("debian", ""),
        live_restore=said.get("live_in") or (UNKNOWN if said.get("live") == "true" else ""),
        unheld=said.get("unheld", ""),
        iperf3=said.get("iperf3", ""),
    )


def before(machine: Machine) -> dict[str, str]:
    """What of packages, files, group and daemon is there now, as an entry of the journal has it."""
    watched = (*paths.REPOSITORY, paths.APT_KEYS, paths.SAVED_OPTIONS, *paths.FOLDERS)
    files = shlex.join(watched)
    return _ask(machine, _BEFORE.replace("FILES", files), sudo=True)


def _ask(machine: Machine, script: str, sudo: bool = False) -> dict[str, str]:
    said = machine.run_checked(script, timeout=300, sudo=sudo).splitlines()
    return {key: value.strip() for key, _, value in (line.partition("=") for line in said)}


def added(machine: Machine, earlier: dict[str, str]) -> dict[str, str]:
    """What has come since, as an entry of the journal has it: packages, and those put on hold."""
    now = before(machine)
    found = {"added": _more(now, earlier, "packages")}
    return found if "holds" not in earlier else {**found, "held": _more(now, earlier, "holds")}


def _more(now: dict[str, str], earlier: dict[str, str], key: str) -> str:
    return " ".join(sorted(set(now[key].split()) - set(earlier.get(key, "").split())))
