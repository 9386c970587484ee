"""The outer machine: a Debian 13 with this clone, everything a lab on KVM needs, and no uplink.

QEMU emulates AMD's virtualization with nested paging (`-cpu EPYC`), so that the outer machine has a
/dev/kvm though the computer has none. It runs with Debian 13's QEMU from its own root: QEMU 7.2 has
ended by itself while two inner guests booted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from packaging.markers import Marker

from provision.providers.boxes import build
from provision.support import cache
from tests.support.debian import Archive, root

CLONE = Path(__file__).parents[2]
NEEDED = ("mmdebstrap", "unshare", "nsenter", "ip", "ssh", "ssh-keygen", "mkfs.ext4", "git")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_PACKAGES = (
    # the machine itself
    *("linux-image-amd64", "systemd-sysv", "dbus", "udev", "kmod", "openssh-server", "sudo"),
    *("iproute2", "iputils-ping", "procps", "ca-certificates", "polkitd", "ifupdown", "netbase"),
    # what `make lab` asks for
    *("make", "git", "python3-venv", "openssh-client", "vagrant", "vagrant-libvirt"),
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils"),
    *("dnsmasq-base", "nftables", "iptables", "mmdebstrap", "extlinux", "syslinux-common"),
    *("e2fsprogs", "fdisk"),
)
# The kernel is booted without a boot loader, and its initial RAM disk has what finds the disk.
_INITRAMFS = (
    'echo MODULES=list > "$1"/etc/initramfs-tools/conf.d/swarmrig && '
    'printf "%s\\n" virtio_pci virtio_blk ext4 > "$1"/etc/initramfs-tools/modules && '
    'chroot "$1" update-initramfs -u -k all'
)
_IDLE = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "dpkg-db-backup.timer", "getty@tty1.service"),
)
_INTERFACES = """auto lo
iface lo inet loopback
auto eth0
iface eth0 inet static
  address 10.0.2.15/24
"""
_CPUS, _MEMORY, _DISK = "2", "8G", "30G"
_PORT = "2200"
_BOOT_LIMIT = 600.0  # seconds; 45 to 95 where it was measured


def why_not() -> str:
    """Why it cannot run here, in words; "" where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it makes namespaces and a root file system: root on Linux"
    missing = [tool for tool in NEEDED if not shutil.which(tool, path=_SEARCH)]
    return f"missing here: {', '.join(missing)}" if missing else ""


class Outer:
    """The outer machine in a folder of its own. `close()` ends it; so does our own end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nested-", dir=cache.folder()))
        self.folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        # Ends when our end of its input is closed, however we end; it is given QEMU's process,
        # the latest one.
        self._janitor = subprocess.Popen(
            [
                "sh",
                "-c",
                "while read -r next; do pid=$next; done; "
                '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; '
                'sleep 1; rm -rf "$1"',
                "janitor",
                str(self.folder),
            ],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # -- what it is made of -------------------------------------------------------------------

    def make(self) -> None:
        """Root file system, clone, Python environment, box; then a disk of all that."""
        said("building the root file system (once; minutes)")
        base = root("nested", _PACKAGES, "minbase", (_INITRAMFS,), archive=Archive("trixie"))
        said("building the box, if there is none yet")
        box = build.build(log=said)
        said("the clone, its Python environment and the box go into it")
        place = self.folder / "root"
        _run("cp", "-a", "--reflink=auto", str(base), str(place))
        _settings(place)
        self._login(place)
        _clone(place, self.folder / "wheels")
        boxes = place / "home/lab/.cache/swarmrig/boxes"
        boxes.mkdir(parents=True)
        _run("cp", "-a", str(box.path.parent), str(boxes))
        (boxes / box.path.parent.name / "catalogue.json").unlink(missing_ok=True)
        trial = cache.folder() / "trial-vmlinuz"
        if trial.exists():
            shutil.copy(trial, boxes.parent)
        _run("chroot", str(place), "chown", "-R", "lab:lab", "/home/lab")
        said("making its disk")
        disk = self.folder / "disk.raw"
        with disk.open("wb") as file:
            file.truncate(int(_DISK.removesuffix("G")) << 30)
        _run("mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(place), str(disk))

    def _login(self, place: Path) -> None:
        """A user `lab` as a desktop has one: in the groups libvirt and kvm, sudo unasked."""
        _run("chroot", str(place), "useradd", "-m", "-s", "/bin/bash", "-p", "*", "lab")
        _run("chroot", str(place), "usermod", "-aG", "libvirt,kvm", "lab")
        (place / "etc/sudoers.d/lab").write_text("lab ALL=(ALL) NOPASSWD:ALL\n")
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key"))
        home = place / "home/lab/.ssh"
        home.mkdir(mode=0o700)
        shutil.copy(self.folder / "key.pub", home / "authorized_keys")

    # -- running ------------------------------------------------------------------------------

    def start(self) -> None:
        """Boot it, and wait until it lets in. Raises RuntimeError with its console's last lines."""
        place = self.folder / "root"
        (kernel,) = (place / "boot").glob("vmlinuz-*")
        (initrd,) = (place / "boot").glob("initrd.img-*")
        acceleration = ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "EPYC"]
        if os.environ.get("SWARMRIG_NESTED") == "kvm":
            # Where this computer's own KVM nests, minutes instead of half an hour.
            acceleration = ["-accel", "kvm", "-cpu", "host"]
        qemu = [
            *("qemu-system-x86_64", "-machine", "q35", *acceleration, "-smp", _CPUS),
            *("-m", _MEMORY, "-display", "none", "-nodefaults", "-no-reboot"),
            *("-serial", "file:/mnt/console.log"),
            *("-kernel", f"/boot/{kernel.name}", "-initrd", f"/boot/{initrd.name}", "-append"),
            "root=LABEL=root rw console=ttyS0 net.ifnames=0 mitigations=off panic=1",
            "-drive",
            "file=/mnt/disk.raw,format=raw,if=virtio,cache=unsafe,discard=unmap",
            *("-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{_PORT}-:22"),
            *("-device", "virtio-net-pci,netdev=n", "-device", "virtio-rng-pci"),
        ]
        begin = (
            'set -e; mount --make-rprivate /; ip link set lo up; mount --bind "$1" "$1/root/mnt"; '
            'mkdir -p "$1/root/dev"; mount --rbind /dev "$1/root/dev"; '
            'cd "$1"; shift; exec chroot root "$@"'
        )
        self._process = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "nice"),
                *("sh", "-c", begin, "outer", str(self.folder), *qemu),
            ],
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "qemu.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": _SEARCH},
        )
        assert self._janitor.stdin is not None
        self._janitor.stdin.write(f"{self._process.pid}\n")
        self._janitor.stdin.flush()
        end = time.monotonic() + _BOOT_LIMIT
        while self._process.poll() is None and time.monotonic() < end:
            if self._first() and self.run("true", limit=60).returncode == 0:
                return
            time.sleep(2)
        raise RuntimeError(f"the outer machine does not let in:\n{self.last_words()}")

    def runs(self) -> bool:
        """Whether its QEMU is there; an emulator has its faults, and has ended by itself."""
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The last lines of its QEMU and of its console."""
        shown = [self.folder / name for name in ("qemu.log", "console.log")]
        return "\n".join(line for file in shown if file.exists() for line in _tail(file))

    def run(self, command: str, limit: float = 3600) -> subprocess.CompletedProcess[str]:
        """A shell command as the user `lab`; its output and errors together."""
        return subprocess.run(
            [
                *("nsenter", "--target", self._first(), "--net"),
                *("ssh", "-F", "none", "-p", _PORT, "-i", str(self.folder / "key")),
                *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
                *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes"),
                *("-o", "ServerAliveInterval=60", "lab@127.0.0.1", "--", f"{command} 2>&1"),
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            env={**os.environ, "PATH": _SEARCH},
        )

    def _first(self) -> str:
        """QEMU's process, "" before it is there."""
        assert self._process is not None
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return ""
        return children[0] if children else ""

    def close(self) -> None:
        if self._process:
            self._process.kill()  # its children go with it
            self._process.wait(60)
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait(60)


def said(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _settings(place: Path) -> None:
    """Name, address, disk, and nothing that works by itself in the background."""
    (place / "etc/hostname").write_text("outer\n")
    (place / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 outer\n")
    (place / "etc/fstab").write_text("LABEL=root / ext4 noatime,errors=remount-ro 0 1\n")
    (place / "etc/network/interfaces").write_text(_INTERFACES)
    (place / "etc/ssh/sshd_config.d/outer.conf").write_text("UseDNS no\n")
    (place / "etc/resolv.conf").unlink(missing_ok=True)
    (place / "etc/resolv.conf").write_text("")
    for unit in _IDLE:
        link = place / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _clone(place: Path, wheels: Path) -> None:
    """What is committed of this clone, and its environment made by the machine's own Python."""
    home = place / "home/lab/swarmrig"
    _run("git", "clone", "--quiet", "--no-hardlinks", str(CLONE), str(home))
    ask = "import platform; print(platform.python_version())"
    version = _run("chroot", str(place), "python3", "-c", ask).strip()
    wheels.mkdir()
    lock = wheels / "requirements.lock"
    lock.write_text(_lock_of((home / lock.name).read_text(), version))
    # By this computer's pip, which knows how packages are reached from here.
    _run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-deps"),
        *("--python-version", version.rpartition(".")[0], "--require-hashes"),
        *("--requirement", str(lock), "--dest", str(wheels)),
    )
    shutil.copytree(wheels, place / "tmp/wheels")
    script = (
        "cd /home/lab/swarmrig && python3 -m venv .venv && .venv/bin/python -m pip install --quiet "
        "--no-index --find-links /tmp/wheels --require-hashes -r requirements.lock && "
        "cksum < requirements.lock > .venv/.installed-lab"
    )
    # Nothing of this computer's settings of pip: what is needed lies in the folder.
    _run("chroot", str(place), "env", "-i", f"PATH={_SEARCH}", "HOME=/root", "sh", "-c", script)
    shutil.rmtree(place / "tmp/wheels")


def _lock_of(lock: str, version: str) -> str:
    """The lock for one version of Python: `pip download` asks markers of the Python it runs on."""
    kept = []
    for package in re.split(r"\n(?=\S)", lock):
        pinned, _, hashes = package.partition(" \\")
        name, _, marker = pinned.partition(" ; ")
        other = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
        if not marker or Marker(marker).evaluate(other):
            kept.append(f"{name} \\{hashes}" if hashes else name)
    return "\n".join(kept)


def _tail(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-15:]


def _run(*argv: str) -> str:
    done = subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": _SEARCH},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr[-800:]}")
    return done.stdout
