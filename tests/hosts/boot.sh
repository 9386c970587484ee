#!/bin/bash
# The first process of a light host, in its new namespaces: builds its root, then becomes systemd.
# Usage: boot.sh ROOT STATE NAME HOSTS_FILE PUBLIC_KEY   (started by tests/hosts/light_hosts.py)
set -e
root=$1 state=$2 name=$3 hosts=$4 key=$5
mkdir -p "$state"/{upper,work,m,docker,containerd}
m=$state/m
mount -t overlay overlay -o "lowerdir=$root,upperdir=$state/upper,workdir=$state/work" "$m"
mkdir -p "$m"/var/lib/{docker,containerd} "$m/.old"
# overlay2 cannot lie on an overlay, so Docker's own folders come from the disk beneath.
mount --bind "$state/docker" "$m/var/lib/docker"
mount --bind "$state/containerd" "$m/var/lib/containerd"
mount -t proc proc "$m/proc"
[ ! -e "$m/proc/sysrq-trigger" ] || mount --bind -o ro /dev/null "$m/proc/sysrq-trigger"
mount -t sysfs sysfs "$m/sys"
mount -t tmpfs -o mode=755,size=64k tmpfs "$m/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
  IFS=: read -r file major minor <<<"$node"
  mkdir -p "$m/dev/$(dirname "$file")"
  mknod -m 666 "$m/dev/$file" c "$major" "$minor"
done
ln -s /proc/self/fd "$m/dev/fd"
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "$m/dev/${fd#*:}"; done
mkdir "$m"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$m/dev/pts"
ln -s pts/ptmx "$m/dev/ptmx"
mount -t tmpfs tmpfs "$m/dev/shm"
mount -t mqueue mqueue "$m/dev/mqueue"
mount -t tmpfs -o mode=755 tmpfs "$m/run"
mount -t tmpfs -o mode=1777 tmpfs "$m/tmp"
if [ -f /sys/fs/cgroup/cgroup.controllers ] || [ "${SWARMRIG_CGROUPS-}" = 2 ]; then
  # One hierarchy (cgroup v2), where asked for without any controllers that version 1 has taken.
  mount -t cgroup2 cgroup2 "$m/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$m/sys/fs/cgroup"
  for path in /sys/fs/cgroup/*/; do
    controller=$(basename "$path")
    mkdir "$m/sys/fs/cgroup/$controller"
    case $controller in
      unified) mount -t cgroup2 cgroup2 "$m/sys/fs/cgroup/unified" ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup "$m/sys/fs/cgroup/systemd" ;;
      *) mount -t cgroup -o "$controller" cgroup "$m/sys/fs/cgroup/$controller" ;;
    esac
  done
fi
hostname "$name"
echo "$name" >"$m/etc/hostname"
cp "$hosts" "$m/etc/hosts"
# Empty: a name server that never answers costs seconds at every start of a task.
: >"$m/etc/resolv.conf"
for home in root home/ops home/plain home/asked; do
  mkdir -p -m 700 "$m/$home/.ssh"
  cp "$key" "$m/$home/.ssh/authorized_keys"
done
chown -R 1000:1000 "$m/home/ops/.ssh"
chown -R 1001:1001 "$m/home/plain/.ssh"
chown -R 1002:1002 "$m/home/asked/.ssh"
[ -f "$m/etc/ssh/ssh_host_ed25519_key" ] ||
  ssh-keygen -q -t ed25519 -N '' -f "$m/etc/ssh/ssh_host_ed25519_key"
printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nPermitRootLogin prohibit-password\nMaxStartups 100\n' \
  >"$m/etc/ssh/sshd_config.d/tests.conf"
mkdir -p "$m/etc/docker"
cat >"$m/etc/docker/daemon.json" <<'JSON'
{"exec-opts": ["native.cgroupdriver=cgroupfs"], "storage-driver": "overlay2",
 "bip": "172.18.0.1/24", "default-address-pools": [{"base": "172.19.0.0/16", "size": 24}]}
JSON
cd "$m"
pivot_root . .old
umount -l /.old
# What a host without hardware of its own has no use for.
cd /etc/systemd/system
for unit in systemd-sysctl systemd-modules-load kmod-static-nodes systemd-udevd \
  systemd-random-seed systemd-remount-fs systemd-logind e2scrub_reap systemd-firstboot \
  systemd-tmpfiles-setup-dev; do ln -sf /dev/null "$unit.service"; done
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
  proc-sys-fs-binfmt_misc.automount getty.target e2scrub_all.timer apt-daily.timer \
  apt-daily-upgrade.timer fstrim.timer tmp.mount; do ln -sf /dev/null "$unit"; done
ln -sf /lib/systemd/system/multi-user.target default.target
cd /
exec env -i container=swarmrig-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --log-target=journal --show-status=0
