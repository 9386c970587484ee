"""Which packages of Docker a system takes: by what its /etc/os-release says, not by guessing.

Sources: os-release(5), https://docs.docker.com/engine/install/ and, for Rocky Linux,
https://docs.rockylinux.org/gemstones/containers/docker/.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.engine.facts import Facts
from provision.support.errors import MachineError

DISTRIBUTION = "distribution"
# An engine in the system's own packages, for systems with dnf. Those of Red Hat's family have
# none: their `docker` is podman.
_OWN_RPM = {"fedora": "moby-engine", "amzn": "docker"}
# Folders of download.docker.com/linux by system; the others have addresses that do not exist.
_RPM_FOLDERS = {
    "fedora": "fedora",
    "centos": "centos",
    "rhel": "rhel",
    "rocky": "rhel",
    "almalinux": "rhel",
}
_BY_HAND = "Install Docker Engine and tcpdump there by hand, and run inv up again."


@dataclass(frozen=True)
class Source:
    """Docker's own repository for a system: its folder, and the release in it (apt alone)."""

    folder: str
    release: str = ""


def check(seen: Facts) -> None:
    """Raises MachineError for a system with a package manager that there is no recipe for."""
    if not (seen.apt or seen.dnf):
        raise MachineError(
            f"no recipe to install Docker on {seen.system or 'this system'} "
            "(neither apt-get nor dnf)",
            f"{_BY_HAND} openSUSE: zypper install docker tcpdump.",
        )


def own_rpm(seen: Facts) -> str:
    """The package of a dnf system's own engine. Raises MachineError where it has none."""
    if package := _OWN_RPM.get(seen.system):
        return package
    if seen.system in _RPM_FOLDERS:
        advice = (
            "Name a version of Docker's own repository in lab.toml, such as "
            'docker.version = "28.2.2".'
        )
    else:
        advice = _BY_HAND
    raise MachineError(f"{_name(seen)} has no Docker Engine among its own packages.", advice)


def source(seen: Facts) -> Source:
    """Docker's repository for a system. Raises MachineError where it has none for it."""
    if found := _apt_source(seen) if seen.apt else _rpm_source(seen):
        return found
    raise MachineError(
        f"Docker's own repository has nothing for {_name(seen)}.",
        'Take the engine of its own packages (docker.version = "distribution"), or '
        "install Docker Engine there by hand."
        if seen.apt or seen.system in _OWN_RPM
        else _BY_HAND,
    )


def _apt_source(seen: Facts) -> Source | None:
    # A derivative names the release that it is made of. Its own code name means nothing to Docker.
    if seen.ubuntu_codename:
        return Source("ubuntu", seen.ubuntu_codename)
    if seen.debian_codename:
        return Source("debian", seen.debian_codename)
    if seen.system in {"debian", "ubuntu", "raspbian"} and seen.release:
        return Source(seen.system, seen.release)
    return None


def _rpm_source(seen: Facts) -> Source | None:
    folder = _RPM_FOLDERS.get(seen.system)
    return Source(folder) if folder else None


def _name(seen: Facts) -> str:
    return f"{seen.system or 'this system'} {seen.release}".strip()
