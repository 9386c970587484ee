"""A world of its own for virtual machines: libvirt and its networks in private namespaces.

Network, mounts and processes live in namespaces without an uplink, beside any libvirt that this
machine runs already. When the world's first process ends, all of it ends: QEMU, bridges, mounts. A
janitor sees to that even when pytest is killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.support import cache

NEEDED = ("unshare", "nsenter", "ip", "virsh", "libvirtd", "virtlogd", "vagrant", "qemu-img")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

_BEGIN = """
set -e
mount --make-rprivate /
for place in etc/libvirt var/lib/libvirt var/log/libvirt run/libvirt; do
  mkdir -p "$1/$place" "/$place"
  [ "$place" = run/libvirt ] || cp -a "/$place/." "$1/$place/"
  mount --bind "$1/$place" "/$place"
done
rm -rf /etc/libvirt/qemu /var/lib/libvirt/images
mkdir -p /etc/libvirt/qemu /var/lib/libvirt/images
ip link set lo up
# libvirt looks whether QEMU's user may open /dev/kvm, and QEMU whether there is one. Where no udev
# has set its mode the answers differ, and libvirt asks QEMU once more at each call, for a second.
if [ -c /dev/kvm ]; then
  mknod -m 666 "$1/kvm" c 10 232
  mount --bind "$1/kvm" /dev/kvm
fi
virtlogd -d -p "$1/virtlogd.pid"
libvirtd -d -p "$1/libvirtd.pid"
touch "$1/begun"
# The first process collects those whose parents have ended: libvirt waits long for a dead QEMU
# that nobody has collected.
while :; do sleep 3600 & wait $!; done
"""


def why_not() -> str:
    """Why no world can be made here, "" where one can."""
    if os.geteuid() != 0:
        return "the vm tier makes namespaces and needs root"
    missing = [tool for tool in NEEDED if not shutil.which(tool, path=_SEARCH)]
    return f"missing here: {', '.join(missing)}" if missing else ""


class World:
    """A running world. `close()` ends it; so does the end of the process that made it."""

    def __init__(self, folder: Path, anchor: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.vagrant_home = cache.folder() / "vagrant-home"
        self.vagrant_home.mkdir(exist_ok=True)
        self._anchor = anchor
        self._janitor = subprocess.Popen(
            [
                "sh",
                "-c",
                'cat >/dev/null; kill -9 "$1" 2>/dev/null; sleep 1; rm -rf "$2"',
                "janitor",
                str(anchor.pid),
                str(folder),
            ],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @classmethod
    def start(cls) -> Self:
        folder = Path(tempfile.mkdtemp(prefix="swarmrig-world-", dir="/var/tmp"))
        # QEMU runs as a user of its own, who has to reach the disks in here.
        folder.chmod(0o755)
        anchor = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
                "-c",
                _BEGIN,
                "world",
                str(folder),
            ],
            stdin=subprocess.DEVNULL,
            stdout=(folder / "world.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": _SEARCH},
        )
        world = cls(folder, anchor)

        def answers() -> bool:
            # Before its own mounts are there, this machine's libvirt would answer in its place.
            begun = (folder / "begun").exists()
            return begun and world.run(["virsh", "uri"]).returncode == 0

        try:
            Retrying(
                stop=stop_after_delay(60),
                wait=wait_fixed(0.2),
                retry=retry_if_result(lambda ok: not ok),
            )(answers)
        except RetryError:
            said = (folder / "world.log").read_text()
            world.close()
            raise RuntimeError(f"libvirt does not answer in a world of its own: {said}") from None
        return world

    def _first(self) -> str:
        """The process id of the world's first process; "" before it is there."""
        pid = self._anchor.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return children[0] if children else ""

    def command(self, argv: list[str]) -> list[str]:
        """`argv` as a command that runs inside the world."""
        return [
            "nsenter",
            "--target",
            self._first(),
            "--net",
            "--mount",
            "--pid",
            f"--wd={Path.cwd()}",
            *argv,
        ]

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": _SEARCH,
            "VAGRANT_HOME": str(self.vagrant_home),
            "LIBVIRT_DEFAULT_URI": "qemu:///system",
            # provider = "auto" is to find virtual machines, whatever engine this machine has.
            "DOCKER_HOST": "unix:///nonexistent",
            # Labs outside are no neighbours of those in here.
            "SWARMRIG_REGISTRY": str(self.folder / "labs"),
            **more,
        }

    def run(
        self, argv: list[str], timeout: float = 60, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the world; `more` are environment variables."""
        command = self.command(argv)
        if cwd:
            command[command.index(f"--wd={Path.cwd()}")] = f"--wd={cwd}"
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env=self.environment(**more),
        )

    def virsh(self, *args: str) -> list[str]:
        """The names that a virsh listing gives."""
        done = self.run(["virsh", *args])
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def belongings(self) -> list[str]:
        """All that libvirt has here, in words: domains, networks, volumes other than boxes."""
        pools = self.virsh("pool-list", "--all", "--name")
        volumes = [
            name
            for pool in pools
            for name in self.virsh("vol-list", pool)[3:]
            if name.endswith((".img", ".qcow2"))
            and "_vagrant_box_image_" not in name
            and not name.startswith("/")
        ]
        return [
            *(f"domain {name}" for name in self.virsh("list", "--all", "--name")),
            *(f"network {name}" for name in self.virsh("net-list", "--all", "--name")),
            *(f"volume {name}" for name in volumes),
        ]

    def close(self) -> None:
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait(60)
        self._anchor.wait(60)
