"""The Debian roots that light hosts share, built once and cached outside the clone."""

from __future__ import annotations

import functools
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
_DOCKER = "docker.io tcpdump"
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
_REPOSITORY = f"""
chroot "$1" apt-get install -y -q --download-only --no-install-recommends {_DOCKER} dpkg-dev
mkdir -p "$1"/srv/apt
cp "$1"/var/cache/apt/archives/*.deb "$1"/srv/apt/
(cd "$1"/srv/apt && dpkg-scanpackages -m . > Packages)
rm -f "$1"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/apt ./' > "$1"/etc/apt/sources.list
"""


# Found once: tests give themselves another home, where no cache is.
@functools.cache
def root(docker: bool) -> Path:
    """A Debian root with systemd and sshd, and with or without Docker; about half a minute."""
    packages = f"{_BASE} {_DOCKER}" if docker else _BASE
    hooks = [_USERS, *([] if docker else [_REPOSITORY])]
    return debian.root("hosts-root", packages.split(), "minbase", hooks)


@functools.cache
def image_archive() -> Path:
    """The scenario image as a `docker load` archive, made of this machine's static busybox."""
    target = cache.folder() / "busybox-test.tar"
    with FileLock(f"{target}.lock"):
        if not target.is_file():
            busybox.write_archive(Path("/bin/busybox"), target, TAG)
    return target
