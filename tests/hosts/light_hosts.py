"""Light Linux hosts on one machine, each with systemd, sshd and a Docker daemon of its own.

All of it lies inside one anchor: a process with network, mount and process namespaces of its own,
in which the bridge, the hosts and their mounts are made. When the anchor ends, so does all the
rest. Outside are only cgroup folders and one temporary folder, which a janitor removes when pytest
has ended, however it ended. It is no security border: root in a host is root on the machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.hosts import root as roots

NEEDED = ("unshare", "nsenter", "ip", "iptables", "mmdebstrap", "ssh-keygen", "dpkg-scanpackages")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_CLONE_NEWNET = 0x40000000
_BEGIN = """
set -e
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
ip link add br0 type bridge
ip address add 10.77.0.254/24 dev br0
ip link set br0 up
exec sleep infinity
"""
_CGROUPS = Path("/sys/fs/cgroup")


def why_not() -> str:
    """Why no hosts can be made here, "" where they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the hosts tier makes namespaces and needs root on Linux"
    missing = [tool for tool in NEEDED if not shutil.which(tool, path=_SEARCH)]
    return f"missing here: {', '.join(missing)}" if missing else ""


def wait_for(what: str, check: Callable[[], object], patience: float = 300) -> None:
    """Look until `check` says yes. Raises TimeoutError that says what was waited for."""
    try:
        Retrying(
            stop=stop_after_delay(patience),
            wait=wait_fixed(0.2),
            retry=retry_if_result(lambda ok: not ok),
        )(check)
    except RetryError:
        raise TimeoutError(f"not within {patience:.0f} s: {what}") from None


@contextlib.contextmanager
def network_of(pid: str) -> Iterator[None]:
    """This thread, and those it starts, are in the network namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)

    def setns(path: str) -> None:
        with Path(path).open("rb") as file:
            if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    # A thread of its own file: /proc/self names the main thread's.
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        setns(f"/proc/{pid}/ns/net")
        try:
            yield
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)


class Host:
    """One light host. `user` "ops" may sudo and is in the group docker; "plain" may only sudo;
    sudo asks "asked" for a password. `root` is the Debian root that it boots from."""

    def __init__(self, fabric: Fabric, name: str, root: Path, docker: bool) -> None:
        self.fabric = fabric
        self.name = name
        self.number = int(name.removeprefix("machine"))
        self.root = root
        self.docker = docker
        self.address = f"10.77.0.{self.number}"
        self.key = fabric.folder / "key"
        self.state = fabric.folder / "hosts" / name
        # A lab over it keeps its files here, as long as the host is there.
        self.home = fabric.folder / "homes" / name
        self._outer: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Power on; the disk is as it was."""
        link = f"v{self.number}"
        self.fabric.must(
            "sh",
            "-ec",
            # The link of a crashed host goes only when the kernel has come to it.
            f"ip link delete {link} 2>/dev/null || true; "
            f"ip netns add {self.name}; ip link add {link} type veth peer name eth0 netns "
            f"{self.name}; ip link set {link} master br0 up; ip -n {self.name} link set lo up; "
            # A card keeps its address through a crash: nobody's cache goes stale.
            f"ip -n {self.name} link set eth0 address 02:00:00:00:00:{self.number:02x}; "
            f"ip -n {self.name} address add {self.address}/24 dev eth0; "
            f"ip -n {self.name} link set eth0 up",
        )
        procs = []
        for folder in self.cgroups():
            folder.mkdir(parents=True, exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (folder / file).exists():
                    for level in (folder.parent, folder):
                        (level / file).write_text((_CGROUPS / "cpuset" / file).read_text())
            procs.append(str(folder / "cgroup.procs"))
        enter = "; ".join(f"echo $$ > {file}" for file in procs)
        arguments = [
            str(self.root),
            str(self.state),
            self.name,
            str(self.fabric.folder / "etc-hosts"),
            str(self.fabric.folder / "key.pub"),
        ]
        boot = Path(__file__).parent / "boot.sh"
        self.state.mkdir(parents=True, exist_ok=True)
        script = (
            f"{enter}; exec nsenter --net=/run/netns/{self.name} unshare --mount --propagation "
            'private --uts --ipc --cgroup --pid --fork bash "$@"'
        )
        self._outer = subprocess.Popen(
            self.fabric.command(["bash", "-c", script, "host", str(boot), *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=(self.state / "boot.log").open("ab"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _SEARCH},
            start_new_session=True,
        )

    def cgroups(self) -> list[Path]:
        """The host's folder in every hierarchy of control groups."""
        found = []
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            name = controllers.removeprefix("name=") or "unified"
            base = _CGROUPS / name if (_CGROUPS / name).is_dir() else _CGROUPS
            found.append(base / path.lstrip("/") / self.fabric.cgroup / self.name)
        return found

    def _first(self) -> str:
        """The id, on this machine, of the host's systemd; "" where it does not run."""
        if self._outer is None:
            return ""
        # nsenter's child is unshare, whose child is the host's first process.
        pid = str(self._outer.pid)
        for _ in range(2):
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except OSError:
                return ""
            if not children:
                return pid if pid != str(self._outer.pid) else ""
            pid = children[0]
        return pid

    @property
    def first(self) -> str:
        """The id, on this machine, of the host's systemd. It has to run."""
        pid = self._first()
        assert pid, f"{self.name} does not run"
        return pid

    def exec(
        self, *argv: str, check: bool = True, file: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, past SSH; `file` is its standard input."""
        with contextlib.ExitStack() as stack:
            given = stack.enter_context(file.open("rb")) if file else subprocess.DEVNULL
            done = subprocess.run(
                [
                    "nsenter",
                    "-t",
                    self._first(),
                    "-m",
                    "-u",
                    "-i",
                    "-n",
                    "-p",
                    "-C",
                    "-r",
                    "-w",
                    *argv,
                ],
                check=False,
                stdin=given,
                capture_output=True,
                text=True,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr}")
        return done

    def wait_ready(self, patience: float = 300) -> None:
        """Wait until sshd, and Docker where the host has it, answer."""

        def ready() -> bool:
            # systemd calls sshd active a moment before it listens.
            listens = "systemctl is-active ssh && ss -Hltn 'sport = 22' | grep -q ."
            if not self._first() or self.exec("sh", "-c", listens, check=False).returncode:
                return False
            return not self.docker or not self.exec("docker", "version", check=False).returncode

        wait_for(f"{self.name} ready", ready, patience)

    @property
    def on(self) -> bool:
        """Whether it was booted, and neither crashed nor shut down since."""
        return self._outer is not None

    def crash(self) -> None:
        """A power cut: every process is gone at once, the disk is kept."""
        if pid := self._first():
            os.kill(int(pid), signal.SIGKILL)
        self._end()

    def shut_down(self) -> None:
        """Power off in order, as before a reboot: every service is stopped by systemd."""
        self.exec("systemctl", "poweroff", check=False)
        self._end()

    def _end(self) -> None:
        assert self._outer is not None
        self._outer.wait(300)
        self._outer = None
        self.fabric.must("ip", "netns", "delete", self.name)

    def recreate(self) -> None:
        """A new machine under the old name and address: empty disk, new host key."""
        self.crash()
        shutil.rmtree(self.state)
        self.boot()

    def load_image(self) -> None:
        self.exec("docker", "load", "-q", file=roots.image_archive())

    @contextlib.contextmanager
    def unplugged(self) -> Iterator[None]:
        """Without its network while the block runs."""
        self.link("down")
        try:
            yield
        finally:
            self.link("up")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still while the block runs; its kernel still answers."""
        file, on, off = self._freezer()
        file.write_text(on)
        try:
            wait_for(f"{self.name} to stand still", lambda: file.read_text().strip() == on)
            yield
        finally:
            file.write_text(off)

    def _freezer(self) -> tuple[Path, str, str]:
        for folder in self.cgroups():
            if (folder / "freezer.state").exists():
                return folder / "freezer.state", "FROZEN", "THAWED"
        # Version 2. Not run yet: the machines that tests have run on had version 1.
        return self.cgroups()[-1] / "cgroup.freeze", "1", "0"

    @contextlib.contextmanager
    def hung(self, unit: str) -> Iterator[None]:
        """The main process of a unit is stopped (SIGSTOP) while the block runs."""
        self.exec("systemctl", "kill", "--kill-whom=main", "--signal=STOP", unit)
        try:
            yield
        finally:
            self.exec("systemctl", "kill", "--kill-whom=main", "--signal=CONT", unit)

    def link(self, state: str) -> None:
        """Plug ("up") or unplug ("down") its network cable."""
        self.fabric.must("ip", "link", "set", f"v{self.number}", state)


class Fabric:
    """The hosts and the bridge between them, without an uplink."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="swarmrig-hosts-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.cgroup = self.folder.name
        self.hosts: dict[str, Host] = {}
        (self.folder / "homes").mkdir()
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key")],
            check=True,
        )
        (self.folder / "etc-hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"10.77.0.{n} machine{n}\n" for n in range(1, 21))
        )
        self._anchor = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                _BEGIN,
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PATH": _SEARCH},
        )
        # Ends with the pipe that this process holds; sweeps until the last process is gone.
        sweep = (
            'cat >/dev/null; kill -9 "$1" 2>/dev/null; '
            "for n in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; "
            'find /sys/fs/cgroup -depth -type d -path "*/$3*" -exec rmdir {} + 2>/dev/null; '
            'rm -rf "$2" 2>/dev/null; done; [ ! -e "$2" ]'
        )
        self._janitor = subprocess.Popen(
            ["sh", "-c", sweep, "janitor", str(self._anchor.pid), str(self.folder), self.cgroup],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @classmethod
    def start(cls) -> Self:
        made = cls()
        wait_for("the bridge", lambda: made._first() and not made._run("ip", "link", "show", "br0"))
        return made

    def _first(self) -> str:
        pid = self._anchor.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return children[0] if children else ""

    def command(self, argv: list[str]) -> list[str]:
        """`argv` as a command inside the fabric's own namespaces."""
        return ["nsenter", "-t", self._first(), "-n", "-m", "-p", f"--wd={Path.cwd()}", *argv]

    def _run(self, *argv: str) -> int:
        return subprocess.run(
            self.command(list(argv)), check=False, capture_output=True, env={"PATH": _SEARCH}
        ).returncode

    def must(self, *argv: str) -> None:
        subprocess.run(
            self.command(list(argv)), check=True, capture_output=True, env={"PATH": _SEARCH}
        )

    @property
    def first(self) -> str:
        """The id, on this machine, of the anchor's first process. It has to run."""
        pid = self._first()
        assert pid, "the fabric has ended"
        return pid

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and those it starts, are in the fabric's network namespace."""
        with network_of(self.first):
            yield

    def add(self, *names: str, docker: bool = True, release: str = "") -> list[Host]:
        """Boot hosts, all at once, and wait until they answer. Names are machine1 to machine20."""
        root = roots.root(docker, release or roots.chosen())
        made = [Host(self, name, root, docker) for name in names]
        for host in made:
            host.boot()
            self.hosts[host.name] = host
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.wait_ready, made))
        return made

    def remove(self, *hosts: Host) -> None:
        for host in hosts:
            host.crash()
            shutil.rmtree(host.state)
            shutil.rmtree(host.home, ignore_errors=True)
            del self.hosts[host.name]

    @contextlib.contextmanager
    def hidden(self, host: Host) -> Iterator[None]:
        """This side has no way to the host while the block runs; the other hosts have."""
        match = ("OUTPUT", "-d", host.address, "-j", "REJECT")
        self.must("iptables", "-I", *match)
        try:
            yield
        finally:
            self.must("iptables", "-D", *match)

    @contextlib.contextmanager
    def deaf(self, host: Host, to: Host) -> Iterator[None]:
        """One way only: what `to` sends does not arrive at `host`."""
        with self.dropping("-s", to.address, "-d", host.address):
            yield

    @contextlib.contextmanager
    def dropping(self, *match: str) -> Iterator[None]:
        """Packets that match (iptables' own words) do not cross the bridge while the block runs."""
        self.must("sh", "-c", "echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables")
        self.must("iptables", "-I", "FORWARD", *match, "-j", "DROP")
        try:
            yield
        finally:
            self.must("iptables", "-D", "FORWARD", *match, "-j", "DROP")

    def close(self) -> None:
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait(60)
        self._anchor.wait(60)
