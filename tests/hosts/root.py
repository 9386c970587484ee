"""The Debian roots that light hosts share, built once and cached outside the clone.

There is a pair, with and without Docker, for each release of Debian that has another Docker.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from provision.providers.boxes import busybox
from provision.support import cache
from tests.support import debian

TAG = "swarmrig/busybox:test"
_BASE = (
    "openssh-server iproute2 iptables sudo iputils-ping procps busybox-static ca-certificates "
    "systemd-sysv dbus"
)


@dataclass(frozen=True)
class Release:
    """Where a host's Debian and Docker come from, Docker's packages and least major version."""

    archive: debian.Archive
    docker: str
    docker_major: int


_APART = "docker.io docker-cli"
RELEASES = {
    # Docker 20.10, with the client in the engine's package.
    "bookworm": Release(debian.BOOKWORM, "docker.io", 20),
    # Docker 26.1.
    "trixie": Release(debian.Archive("trixie"), _APART, 26),
    # Docker 28.5 in November 2026. This suite's systemd needs cgroup version 2, which not every
    # machine that tests run on has: only Docker comes from it.
    "forky": Release(
        debian.Archive("trixie", "forky", ("docker.io", "docker-cli", "containerd", "runc")),
        _APART,
        28,
    ),
}
DEFAULT = "trixie"


def chosen() -> str:
    """The release that hosts get where a test names none: SWARMRIG_HOSTS, or the default."""
    name = os.environ.get("SWARMRIG_HOSTS", DEFAULT)
    if name not in RELEASES:
        raise ValueError(f"SWARMRIG_HOSTS={name}: one of {', '.join(RELEASES)}")
    return name


_USERS = """
chroot "$1" useradd -m -u 1000 -s /bin/bash ops
chroot "$1" useradd -m -u 1001 -s /bin/bash plain
chroot "$1" useradd -m -u 1002 -s /bin/bash asked
if chroot "$1" getent group docker >/dev/null; then chroot "$1" usermod -aG docker ops; fi
printf '%s ALL=(ALL) %s\\n' ops NOPASSWD:ALL plain NOPASSWD:ALL asked ALL \\
  > "$1"/etc/sudoers.d/tests
chmod 440 "$1"/etc/sudoers.d/tests
rm -f "$1"/etc/ssh/ssh_host_*; : > "$1"/etc/machine-id
"""
# A root without Docker has the packages to install it from beside it, and no other source.
_REPOSITORY = """
chroot "$1" apt-get install -y -q --download-only --no-install-recommends {packages} dpkg-dev
mkdir -p "$1"/srv/apt
cp "$1"/var/cache/apt/archives/*.deb "$1"/srv/apt/
(cd "$1"/srv/apt && dpkg-scanpackages -m . > Packages)
rm -f "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/preferences.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' > "$1"/etc/apt/sources.list
"""


# Found once: tests give themselves another home, where no cache is.
@functools.cache
def root(docker: bool, release: str) -> Path:
    """A Debian root with systemd and sshd, and with or without Docker; about half a minute."""
    made_of = RELEASES[release]
    added = f"{made_of.docker} tcpdump"
    packages = f"{_BASE} {added} iperf3" if docker else _BASE
    hooks = [_USERS, *([] if docker else [_REPOSITORY.format(packages=added)])]
    return debian.root("hosts-root", packages.split(), "minbase", hooks, archive=made_of.archive)


@functools.cache
def image_archive() -> Path:
    """The scenario image as a `docker load` archive, made of this machine's static busybox."""
    target = cache.folder() / "busybox-test.tar"
    with FileLock(f"{target}.lock"):
        if not target.is_file():
            busybox.write_archive(Path("/bin/busybox"), target, TAG)
    return target
