"""A base box built from Debian's packages, for hosts that can download none.

`swarmrig/debian12` has Docker, tcpdump and a scenario image inside, so that a lab needs no network
at all. `swarmrig/debian12-plain` has none of them but a package repository to install them from:
it is there to try Docker's installation where there is no network.
Box format: https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html (version 1).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from provision.providers.boxes import busybox
from provision.providers.boxes.busybox import tag_for, write_archive
from provision.support import architecture, cache
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic

SUITE = "bookworm"
DISK_GIB = 8
# Bumped when the recipe below changes in a way that its text does not show.
_EPOCH = 1

_BASE = [
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "openssh-server",
    "sudo",
    "iproute2",
    "iputils-ping",
    "ifupdown",
    "isc-dhcp-client",
    "procps",
    "ca-certificates",
    "iptables",
    "nftables",
]
# apparmor: where the kernel has it on, every container fails without its parser.
_DOCKER = ["docker.io", "apparmor", "tcpdump", "busybox-static"]

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
_SMALL_INITRAMFS = """
mkdir -p "$1"/etc/initramfs-tools/conf.d
echo MODULES=list > "$1"/etc/initramfs-tools/conf.d/swarmrig
printf '%s\\n' virtio_pci virtio_blk virtio_scsi ext4 ahci sd_mod > "$1"/etc/initramfs-tools/modules
"""

# Runs in the new system's folder ($1) before it is packed.
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
[Unit]
Description=SSH host keys of this machine
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
ExecStart=/usr/bin/ssh-keygen -q -t ecdsa -N "" -f /etc/ssh/ssh_host_ecdsa_key
[Install]
WantedBy=multi-user.target
UNIT
chroot . systemctl enable -q swarmrig-host-keys.service ssh.service
# Under emulation every unit counts; none of these does anything for a lab.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer dpkg-db-backup.timer systemd-pstore.service getty@tty1.service; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done
# What overlay networks need, and what network plugins ask for without being able to load it.
printf '%s\\n' overlay br_netfilter vxlan dummy ip_vs > etc/modules-load.d/swarmrig.conf
mkdir -p boot/extlinux
kernel=$(basename boot/vmlinuz-*)
cat > boot/extlinux/extlinux.conf <<BOOT
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  LINUX /boot/$kernel
  INITRD /boot/initrd.img-${{kernel#vmlinuz-}}
  APPEND root=LABEL=root ro console=tty0 console=ttyS0 net.ifnames=0 quiet mitigations=off
BOOT
rm -rf var/cache/apt/archives/*.deb usr/share/doc/* usr/share/man/*
"""


@dataclass(frozen=True)
class BoxFile:
    """A box that lies in the cache. `sha256` is the file's; `version` names what it is made of."""

    path: Path
    name: str
    version: str
    sha256: str
    image: str
    provider: str = "libvirt"


def name_for(docker: bool) -> str:
    return "swarmrig/debian12" if docker else "swarmrig/debian12-plain"


def names() -> set[str]:
    """The names of the boxes that are built here."""
    return {name_for(docker) for docker in (True, False)}


def recipe_hash(docker: bool = True) -> str:
    """A short hash of all that the box is made of, this module's recipe and the architecture."""
    parts = [
        SUITE,
        DISK_GIB,
        _EPOCH,
        _BASE,
        _DOCKER,
        _SMALL_INITRAMFS,
        _FINISH,
        docker,
        architecture.debian_architecture(),
    ]
    parts.append(Path(busybox.__file__).read_text())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def cached(docker: bool = True) -> BoxFile | None:
    """The box of the present recipe, if it was built already."""
    about = _folder(docker) / "box.json"
    if not about.is_file():
        return None
    noted = json.loads(about.read_text())
    return BoxFile(
        path=about.parent / "package.box",
        name=noted["name"],
        version=noted["version"],
        sha256=noted["sha256"],
        image=noted["image"],
    )


def _folder(docker: bool) -> Path:
    kind = "docker" if docker else "plain"
    return cache.folder() / "boxes" / f"{kind}-{recipe_hash(docker)}"


def build(docker: bool = True, log: Callable[[str], None] = print) -> BoxFile:
    """The box, built unless it lies in the cache already: whole or not at all.

    Takes a minute or two, and root (mounts and device nodes). Raises UserError where a tool or
    root is missing, MachineError with the failing tool's last words and its log.
    """
    with FileLock(cache.folder() / f"box-{'docker' if docker else 'plain'}.lock"):
        there = cached(docker)
        if there:
            return there
        _check_tools()
        target = _folder(docker)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix="building-") as made:
            work = Path(made)
            work.chmod(0o755)
            image = _build_in(work, docker, log)
            log("packing the box")
            box = work / "out" / "package.box"
            _pack(work, box)
            digest = hashlib.sha256()
            with box.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            write_atomic(
                box.parent / "box.json",
                json.dumps(
                    {
                        "name": name_for(docker),
                        "version": f"12.{int(recipe_hash(docker)[:7], 16)}",
                        "sha256": digest.hexdigest(),
                        "image": image,
                    },
                    indent=2,
                ),
            )
            shutil.rmtree(target, ignore_errors=True)
            box.parent.rename(target)
        result = cached(docker)
        assert result is not None
        return result


def _check_tools() -> None:
    if platform.system() != "Linux":
        raise UserError(
            "A box can be built on Linux only (with libvirt to run it).",
            'Elsewhere take a downloadable one: box = "auto" in lab.toml.',
        )
    needed = {
        "mmdebstrap": "mmdebstrap",
        "extlinux": "extlinux",
        "mkfs.ext4": "e2fsprogs",
        "qemu-img": "qemu-utils",
        "losetup": "mount",
        "sfdisk": "fdisk",
    }
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in needed.items() if not shutil.which(tool, path=search)]
    if not _mbr():
        missing.append("syslinux-common")
    if missing:
        raise UserError(
            f"To build a box, this host lacks: {', '.join(missing)}.",
            f"sudo apt-get install {' '.join(missing)}",
        )
    if os.geteuid() != 0:
        raise UserError(
            "Building a box needs root: it makes device nodes and mounts a disk image.",
            "Build it once with: sudo -E .venv/bin/inv box",
        )


def _mbr() -> Path | None:
    places = ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/EXTLINUX/mbr.bin")
    return next((Path(place) for place in places if Path(place).is_file()), None)


def _build_in(work: Path, docker: bool, log: Callable[[str], None]) -> str:
    (work / "out").mkdir()
    root = work / "root.tar"
    kernel = f"linux-image-cloud-{architecture.debian_architecture()}"
    packages = [*_BASE, kernel, *(_DOCKER if docker else [])]
    hook = work / "finish.sh"
    hook.write_text(_FINISH)
    hooks = [f'sh {hook} "$1"']
    image = ""
    carried = work / "carried"
    (carried / "images").mkdir(parents=True)
    if not docker:
        log("getting the packages that the plain box installs by itself")
        _repository(carried / "apt", work)
        hooks.append(
            'rm -f "$1"/etc/apt/sources.list.d/*; '
            'echo "deb [trusted=yes] file:/usr/share/swarmrig/apt ./" > "$1"/etc/apt/sources.list'
        )
    log(f"getting {len(packages)} packages and what they need (about a minute)")
    _run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--architectures={architecture.debian_architecture()}",
            '--aptopt=Acquire::Check-Valid-Until "false"',
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(packages)}",
            f"--essential-hook={_SMALL_INITRAMFS}",
            *(f"--customize-hook={hook}" for hook in hooks),
            SUITE,
            str(root),
        ],
        work / "mmdebstrap.log",
    )
    if docker:
        log("making the scenario image from the box's own busybox")
        image = _image(root, carried, work)
    write_atomic(
        carried / "box.json",
        json.dumps({"recipe": recipe_hash(docker), "image": {"tag": image}, "suite": SUITE}),
    )
    _keep_kernel(root)
    log("making the disk")
    _disk(root, carried, work)
    return image


def _keep_kernel(root: Path) -> None:
    """The box's kernel into the cache: what provision.kvm boots to see whether KVM works."""
    with tarfile.open(root) as tar:
        kernel = next(m for m in tar if m.name.startswith("./boot/vmlinuz-") and m.isfile())
        file = tar.extractfile(kernel)
        assert file is not None
        write_atomic(cache.folder() / "trial-vmlinuz", file.read())


def _image(root: Path, carried: Path, work: Path) -> str:
    """Put the busybox image among what the box carries; its tag."""
    with tarfile.open(root) as tar:
        status = tar.extractfile("./var/lib/dpkg/status")
        binary = tar.extractfile(
            "./bin/busybox" if _has(tar, "./bin/busybox") else "./usr/bin/busybox"
        )
        assert status is not None
        assert binary is not None
        busybox = work / "busybox"
        busybox.write_bytes(binary.read())
        busybox.chmod(0o755)
        paragraphs = status.read().decode().split("\n\n")
    fields = next(p for p in paragraphs if p.startswith("Package: busybox-static\n"))
    version = next(
        line.split(": ")[1] for line in fields.splitlines() if line.startswith("Version: ")
    )
    tag = tag_for(version.split(":")[-1].split("-")[0])
    write_archive(
        busybox, carried / "images" / "busybox.tar", tag, architecture.debian_architecture()
    )
    return tag


def _has(tar: tarfile.TarFile, name: str) -> bool:
    try:
        return tar.getmember(name).isfile()
    except KeyError:
        return False


def _repository(target: Path, work: Path) -> None:
    """A flat package repository with Docker, tcpdump and all that they need beyond the base."""
    target.mkdir()
    _run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--architectures={architecture.debian_architecture()}",
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(_BASE)},apt-utils",
            # Downloaded only, not installed: exactly what a plain box lacks.
            '--customize-hook=chroot "$1" apt-get install -y --download-only '
            "--no-install-recommends " + " ".join(_DOCKER),
            f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {target}/',
            f'--customize-hook=mkdir -p "$1"/repo; cp {target}/*.deb "$1"/repo/; '
            "chroot \"$1\" sh -c 'cd /repo && apt-ftparchive packages . > Packages'; "
            f'cp "$1"/repo/Packages {target}/',
            SUITE,
            "/dev/null",
        ],
        work / "repository.log",
    )


def _disk(root: Path, carried: Path, work: Path) -> None:
    """root.tar on an ext4 file system in one bootable partition, as a qcow2 image."""
    raw, mount = work / "disk.raw", work / "mnt"
    mount.mkdir()
    mbr = _mbr()
    assert mbr is not None
    # The partition starts at 1 MiB. losetup takes the offset: not every kernel reads partition
    # tables from loop devices.
    script = f"""
set -e
truncate -s {DISK_GIB}G {raw}
echo '2048,,L,*' | sfdisk -q {raw}
loop=$(losetup --find --show --offset 1048576 {raw})
trap 'umount -q {mount} || true; losetup -d "$loop"' EXIT
mkfs.ext4 -q -L root -O ^metadata_csum_seed,^64bit -E lazy_itable_init=1 "$loop"
mount "$loop" {mount}
tar -C {mount} --numeric-owner --xattrs --xattrs-include='*' -xf {root}
mkdir -p {mount}/usr/share/swarmrig
cp -r {carried}/. {mount}/usr/share/swarmrig/
chmod -R a+rX {mount}/usr/share/swarmrig
extlinux --install {mount}/boot/extlinux
umount {mount}
dd if={mbr} of={raw} bs=440 count=1 conv=notrunc status=none
"""
    _run(["sh", "-c", script], work / "disk.log")
    _run(
        ["qemu-img", "convert", "-O", "qcow2", str(raw), str(work / "box.img")],
        work / "convert.log",
    )
    raw.unlink()


def _pack(work: Path, box: Path) -> None:
    write_atomic(
        work / "metadata.json",
        json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}),
    )
    # Compressed lightly: `vagrant box add` unpacks it once, and the cache keeps it for long.
    _run(
        [
            "tar",
            "-C",
            str(work),
            "--use-compress-program=gzip -1",
            "-cf",
            str(box),
            "metadata.json",
            "box.img",
        ],
        work / "pack.log",
    )


def _run(argv: list[str], log: Path) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    with log.open("wb") as out:
        done = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
        )
    if done.returncode == 0:
        return
    kept = cache.folder() / f"failed-{log.name}"
    shutil.copy(log, kept)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    raise MachineError(
        f"The box could not be built: {argv[0]} ended with {done.returncode}: "
        f"{' / '.join(lines[-2:])}",
        f"Its whole output: {kept}",
    )
