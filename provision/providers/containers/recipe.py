"""What the image of a machine is made of: a small Debian with systemd, sshd and Docker.

The kernel is the host's, so there are no modules, no boot loader and no udev. A container gets
its network from the engine that runs it.
"""

from __future__ import annotations

import hashlib
import json

from provision.providers.boxes import busybox
from provision.providers.boxes.recipe import COMMON, HOST_KEYS_UNIT, SUITES, docker_packages
from provision.support import architecture

NAME = "swarmrig/machine"
USER = "vagrant"
# The public key that may log in, as lab-init finds it in its environment.
KEY_VARIABLE = "SWARMRIG_KEY"
CARRIED = "/usr/share/swarmrig"
# Docker's own folders lie in volumes: its storage driver cannot lie on another of its kind.
VOLUMES = ("/var/lib/docker", "/var/lib/containerd")
INIT = "/usr/sbin/lab-init"

# The first process: makes writable what an engine mounts read-only for a container without
# --privileged, lets the lab's key log in, and becomes systemd.
LAB_INIT = f"""#!/bin/sh
mount -o remount,rw /sys 2>/dev/null
mount -o remount,rw /sys/fs/cgroup
if [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
  # Version 1: a mount for each controller; a link is another name of one.
  for controller in /sys/fs/cgroup/*/; do
    [ -L "${{controller%/}}" ] || mount -o remount,rw,bind "$controller" 2>/dev/null ||
      mount -o remount,rw "$controller"
  done
fi
mount --make-rshared /
if [ -n "${{{KEY_VARIABLE}}}" ]; then
  printf '%s\\n' "${{{KEY_VARIABLE}}}" > /home/vagrant/.ssh/authorized_keys
  chown vagrant:vagrant /home/vagrant/.ssh/authorized_keys
  chmod 600 /home/vagrant/.ssh/authorized_keys
fi
exec env -i container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  /lib/systemd/systemd --log-target=journal --show-status=0
"""

# A name server that never answers costs 20 s at each start of a task, since the registry is looked
# up first. An answer that there is no such name is an answer: then the servers stay.
_RESOLVER = """#!/bin/sh
timeout 5 getent ahostsv4 registry-1.docker.io >/dev/null
[ $? -ne 124 ] || : > /etc/resolv.conf
"""

# Runs in the new system, as root, before it is packed.
FINISH = f"""
set -e
useradd -m -s /bin/bash -p '*' vagrant
usermod -aG docker vagrant
mkdir -p -m 700 /home/vagrant/.ssh
chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
: > /etc/fstab
# A login by key needs nothing of PAM. Without PAM sshd refuses an account whose password is locked
# by "!": "*" is none, and locks nothing.
printf 'UseDNS no\\nGSSAPIAuthentication no\\nUsePAM no\\n' > /etc/ssh/sshd_config.d/swarmrig.conf
# Host keys and the machine's id are made at the first start: no two machines share them.
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id
cat > /etc/systemd/system/swarmrig-host-keys.service <<'UNIT'
{HOST_KEYS_UNIT}UNIT
cat > /usr/sbin/lab-resolver <<'SCRIPT'
{_RESOLVER}SCRIPT
cat > {INIT} <<'SCRIPT'
{LAB_INIT}SCRIPT
chmod 755 /usr/sbin/lab-resolver {INIT}
cat > /etc/systemd/system/swarmrig-resolver.service <<'UNIT'
[Unit]
Description=Leave out name servers that do not answer
[Service]
Type=oneshot
ExecStart=/usr/sbin/lab-resolver
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable -q swarmrig-host-keys.service swarmrig-resolver.service ssh.service
# What a machine without hardware and a kernel of its own has no use for.
cd /etc/systemd/system
for unit in systemd-sysctl.service systemd-modules-load.service kmod-static-nodes.service \\
  systemd-udevd.service systemd-random-seed.service systemd-remount-fs.service \\
  systemd-logind.service systemd-firstboot.service systemd-tmpfiles-setup-dev.service \\
  systemd-tmpfiles-setup-dev-early.service systemd-pstore.service \\
  systemd-network-generator.service systemd-udev-trigger.service e2scrub_reap.service \\
  getty@tty1.service console-getty.service sys-kernel-debug.mount sys-kernel-tracing.mount \\
  sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \\
  proc-sys-fs-binfmt_misc.automount getty.target e2scrub_all.timer apt-daily.timer \\
  apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer tmp.mount; do
  ln -sf /dev/null "$unit"
done
ln -sf /lib/systemd/system/multi-user.target default.target
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/*
"""


def packages(suite: str) -> list[str]:
    """The packages of a machine, by the name of its Debian."""
    return [*COMMON, *docker_packages(suite)]


def version(suite: str) -> str:
    """What the image is made of, as its version: "13.<number>"."""
    parts = [suite, packages(suite), FINISH, VOLUMES, architecture.debian_architecture()]
    digest = hashlib.sha256(json.dumps([*parts, busybox.REPOSITORY]).encode()).hexdigest()
    return f"{SUITES[suite]}.{int(digest[:7], 16)}"


def reference(suite: str) -> str:
    """The image's name in the engine."""
    return f"{NAME}:{version(suite)}"
