"""A machine's name, address and key, which its hypervisor hands over and a built box takes.

Vagrant sets them over SSH, one after the other, and that takes as long as half a boot where
machines are emulated. So the hypervisor gives them to the machine as the asset tag of its chassis,
a text of SMBIOS that Linux shows in /sys (DMTF DSP0134, system enclosure, type 3), and a unit of
the box sets them at the first start, before the network and sshd; the Vagrantfile then says nothing
of them. A machine without such a text starts as it is, and Vagrant does it all.
"""

from __future__ import annotations

# Before the text; a machine may have another asset tag.
MARK = "swarmrig"
_SCRIPT = "/usr/lib/swarmrig/metadata"
_DONE = "/var/lib/swarmrig-metadata"


def text(name: str, address: str, prefix_length: int) -> str:
    """What a machine is handed, but for the public key that follows: no commas are in it."""
    return f"{MARK} {name} {address}/{prefix_length} "


# The second network interface is the lab's own; the first one is Vagrant's, with DHCP.
FINISH = f"""
mkdir -p usr/lib/swarmrig
cat > usr/lib/swarmrig/metadata <<'SCRIPT'
#!/bin/sh
set -e
read -r mark name address key < /sys/class/dmi/id/chassis_asset_tag || exit 0
[ "$mark" = {MARK} ] || exit 0
echo "$name" > /etc/hostname
hostname "$name"
sed -i "s/^127\\.0\\.1\\.1 .*/127.0.1.1 $name/" /etc/hosts
printf 'auto eth1\\niface eth1 inet static\\n  address %s\\n' "$address" \\
  > /etc/network/interfaces.d/swarmrig
# Nobody logs in with Vagrant's well-known key any more.
echo "$key" > /home/vagrant/.ssh/authorized_keys
: > {_DONE}
SCRIPT
chmod 755 usr/lib/swarmrig/metadata
mkdir -p etc/network/interfaces.d
echo 'source /etc/network/interfaces.d/*' >> etc/network/interfaces
cat > etc/systemd/system/swarmrig-metadata.service <<'UNIT'
[Unit]
Description=Name, address and key of this machine, as its hypervisor hands them over
DefaultDependencies=no
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target networking.service ssh.service shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!{_DONE}
[Service]
Type=oneshot
ExecStart={_SCRIPT}
[Install]
WantedBy=multi-user.target
UNIT
chroot . systemctl enable -q swarmrig-metadata.service
"""
