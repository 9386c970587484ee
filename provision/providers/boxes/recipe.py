"""What a built box is made of: a Debian suite, its packages, and how the system is finished.

`swarmrig/debian13` has Docker, tcpdump and a scenario image inside, so that a lab needs no network
at all. `swarmrig/debian13-plain` has none of them but a package repository to install them from:
it is there to try Docker's installation where there is no network. The other suites have boxes of
such names as well.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from provision.providers.boxes import busybox, metadata
from provision.providers.boxes.boot import boot
from provision.support import architecture
from provision.support.errors import UserError

# Debian's suites that boxes are built of, with their numbers.
SUITES = {"bookworm": 12, "trixie": 13, "forky": 14}
SUITE = "trixie"
DISK_GIB = 8
# Bumped when the recipe below changes in a way that its text does not show.
_EPOCH = 1

# What every machine of ours has, a container as well.
COMMON = (
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "iputils-ping",
    "procps",
    "ca-certificates",
    "iptables",
    "nftables",
)
# fdisk and e2fsprogs grow the root file system of a machine with a larger disk.
_OF_MACHINES = ("udev", "kmod", "ifupdown", "fdisk", "e2fsprogs")
# The client that ifupdown asks for an address; from Debian 14 on there is no other.
_DHCP = {"bookworm": "isc-dhcp-client", "trixie": "isc-dhcp-client", "forky": "dhcpcd-base"}
# apparmor: where the kernel has it on, every container fails without its parser. iperf3 is what
# `inv measure` sends with.
_DOCKER = ("docker.io", "apparmor", "tcpdump", "iperf3", "busybox-static")
# The `docker` command is a package of its own from Debian 13 on.
_CLIENT_WITHIN = {"bookworm"}

# Vagrant's well-known key: Vagrant replaces it by one of its own at the first boot.
# Source: https://github.com/hashicorp/vagrant/tree/main/keys
_INSECURE_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNlt"
    "GEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJ"
    "SIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP"
    "3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jl"
    "qm8tehUc9c9WhQ== vagrant insecure public key"
)

# A small initramfs unpacks fast: the disk's and the file system's modules will do.
SMALL_INITRAMFS = """
mkdir -p "$1"/etc/initramfs-tools/conf.d
echo MODULES=list > "$1"/etc/initramfs-tools/conf.d/swarmrig
printf '%s\\n' virtio_pci virtio_blk virtio_scsi ext4 ahci sd_mod > "$1"/etc/initramfs-tools/modules
"""

# Host keys are made at the first start: no two machines share them.
HOST_KEYS_UNIT = """[Unit]
Description=SSH host keys of this machine
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
ExecStart=/usr/bin/ssh-keygen -q -t ecdsa -N "" -f /etc/ssh/ssh_host_ecdsa_key
[Install]
WantedBy=multi-user.target
"""

_FINISH = f"""
set -e
cd "$1"
chroot . useradd -m -s /bin/bash -p '*' vagrant
if chroot . getent group docker >/dev/null; then chroot . usermod -aG docker vagrant; fi
mkdir -p -m 700 home/vagrant/.ssh
echo '{_INSECURE_KEY}' > home/vagrant/.ssh/authorized_keys
chmod 600 home/vagrant/.ssh/authorized_keys
chroot . chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' > etc/sudoers.d/vagrant
chmod 440 etc/sudoers.d/vagrant
echo swarmrig > etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 swarmrig\\n' > etc/hosts
echo 'LABEL=root / ext4 noatime,errors=remount-ro 0 1' > etc/fstab
printf 'auto lo\\niface lo inet loopback\\nauto eth0\\niface eth0 inet dhcp\\n' \
  > etc/network/interfaces
# A login by key needs nothing of PAM, which takes a third of its time under emulation. Without PAM
# sshd refuses an account whose password is locked by "!": "*" is none, and locks nothing.
printf 'UseDNS no\\nGSSAPIAuthentication no\\nUsePAM no\\n' > etc/ssh/sshd_config.d/swarmrig.conf
# Host keys and the machine's id are made at the first boot: no two machines share them.
rm -f etc/ssh/ssh_host_*
: > etc/machine-id
cat > etc/systemd/system/swarmrig-host-keys.service <<'UNIT'
{HOST_KEYS_UNIT}UNIT
chroot . systemctl enable -q swarmrig-host-keys.service ssh.service
# Under emulation every unit counts; none of these does anything for a lab. There is no profile for
# apparmor.service to load, and the modules and file systems come when something asks for them.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer dpkg-db-backup.timer systemd-pstore.service getty@tty1.service apparmor.service \
  modprobe@configfs.service modprobe@drm.service modprobe@fuse.service dev-hugepages.mount \
  sys-kernel-config.mount sys-fs-fuse-connections.mount; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
# What udev would load for the processor alone: no machine of a lab has machines of its own.
printf 'blacklist %s\n' kvm_amd kvm_intel powernow_k8 acpi_cpufreq > etc/modprobe.d/swarmrig.conf
# Docker brings the profile of its containers; those of browsers and the like, a hundred by now,
# are compiled at the first boot for longer than anything else in it.
if [ -d etc/apparmor.d ]; then find etc/apparmor.d -maxdepth 1 -type f -delete; fi
# What overlay networks need, and what network plugins ask for without being able to load it.
printf '%s\\n' overlay br_netfilter vxlan dummy ip_vs > etc/modules-load.d/swarmrig.conf
"""
_CLEAN = """rm -rf var/cache/apt/archives/*.deb usr/share/doc/* usr/share/man/*
# Nothing is out of date in a system that was just made: it has nothing to make again at its start.
# Debian 12 does not look for it.
done=usr/lib/systemd/systemd-update-done
if [ -x "$done" ]; then chroot . "/$done"; fi
"""


@dataclass(frozen=True)
class Recipe:
    """A box of a suite, with Docker inside or a repository to install it from."""

    suite: str = SUITE
    docker: bool = True

    @property
    def name(self) -> str:
        """The box's name, such as "swarmrig/debian13" or "swarmrig/debian13-plain"."""
        return f"swarmrig/debian{SUITES[self.suite]}" + ("" if self.docker else "-plain")

    @property
    def kernel(self) -> str:
        return f"linux-image-cloud-{architecture.debian_architecture()}"

    def base(self) -> list[str]:
        """The packages of a machine without Docker and without a kernel."""
        return [*COMMON, *_OF_MACHINES, _DHCP[self.suite]]

    @property
    def finish(self) -> str:
        """The shell text that runs in the new system's folder ($1) before it is packed."""
        return _FINISH + metadata.FINISH + boot().finish + _CLEAN

    def hash(self) -> str:
        """A short hash of all that the box is made of, and of the architecture."""
        parts = [
            self.suite,
            DISK_GIB,
            _EPOCH,
            [*self.base(), *boot().packages],
            docker_packages(self.suite),
            SMALL_INITRAMFS,
            self.finish,
            self.docker,
            architecture.debian_architecture(),
        ]
        parts.append(Path(busybox.__file__).read_text(encoding="utf-8"))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """The box's version as Vagrant takes it, such as "13.4711"."""
        return f"{SUITES[self.suite]}.{int(self.hash()[:7], 16)}"


def docker_packages(suite: str) -> list[str]:
    """Docker, and what the exercises need beside it."""
    return [*_DOCKER, *([] if suite in _CLIENT_WITHIN else ["docker-cli"])]


def recipes() -> dict[str, Recipe]:
    """The recipes of all boxes that are built here, by the box's name; the default one first."""
    suites = sorted(SUITES, key=lambda suite: suite != SUITE)
    every = [Recipe(suite, docker) for suite in suites for docker in (True, False)]
    return {recipe.name: recipe for recipe in every}


def of_suite(suite: str, docker: bool = True) -> Recipe:
    """The recipe for a suite. Raises UserError that lists the suites there are."""
    if suite not in SUITES:
        raise UserError(f"There is no suite {suite!r}.", f"Known are {', '.join(SUITES)}.")
    return Recipe(suite, docker)
