"""An outer Docker engine, in namespaces without an uplink, and commands that use it.

The engine is that of a light host; commands run in the host's network, where its published ports
are, but on this machine's files. The `docker` command is the host's own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from provision.providers.vagrant.runner import heeding_interrupts
from provision.support import cache
from tests.hosts import light_hosts
from tests.hosts import root as roots
from tests.hosts.light_hosts import Fabric

CLONE = Path(__file__).parent.parent.parent
INV = str(CLONE / ".venv" / "bin" / "inv")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def why_not() -> str:
    """Why there can be no outer engine here, "" where there can."""
    if reason := light_hosts.why_not():
        return reason
    return "" if shutil.which("vagrant") else "missing here: vagrant"


class Outer:
    """A running engine. `close()` ends it and all that it runs."""

    def __init__(self, release: str) -> None:
        self.fabric = Fabric.start()
        (self.host,) = self.fabric.add("machine20", release=release)
        self.tools = self.fabric.folder / "tools"
        self.tools.mkdir()
        shutil.copy(roots.root(True, release) / "usr/bin/docker", self.tools)
        self.vagrant_home = cache.folder() / "vagrant-home"
        self.vagrant_home.mkdir(exist_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        """`more` are variables to add. The engine's socket is looked up: a reboot moves it."""
        return {
            **os.environ,
            "PATH": f"{self.tools}:{_SEARCH}",
            "DOCKER_HOST": f"unix:///proc/{self.host.first}/root/run/docker.sock",
            "VAGRANT_HOME": str(self.vagrant_home),
            # Labs outside are no neighbours of those in here.
            "SWARMRIG_REGISTRY": str(self.fabric.folder / "labs"),
            **more,
        }

    def command(self, argv: list[str]) -> list[str]:
        """`argv` as a command where the engine's published ports are."""
        return ["nsenter", "--target", self.network, "--net", *argv]

    @property
    def network(self) -> str:
        """A process in the network of this engine's users: on Linux, that of the engine."""
        return self.host.first

    def run(
        self, argv: list[str], timeout: float = 600, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(argv),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            cwd=CLONE,
            env=self.environment(**more),
        )

    def docker(self, *argv: str) -> str:
        """What a docker command prints."""
        done = self.run(["docker", *argv])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def belongings(self) -> dict[str, list[str]]:
        """The engine's containers, networks and volumes, each by name."""
        return {
            "containers": sorted(self.docker("ps", "-a", "--format", "{{.Names}}").split()),
            "networks": sorted(self.docker("network", "ls", "--format", "{{.Name}}").split()),
            "volumes": sorted(self.docker("volume", "ls", "--quiet").split()),
        }

    def power_cut(self) -> None:
        """The engine's host loses its power, with all containers, and starts again."""
        self.host.crash()
        self.host.boot()
        self.host.wait_ready()

    def close(self) -> None:
        self.fabric.close()


class Lab:
    """A lab of two containers in a folder of its own, driven by the command line alone."""

    def __init__(self, outer: Outer, folder: Path, name: str = "book", more: str = "") -> None:
        self.outer = outer
        self.folder = folder
        self.name = name
        self.file = folder / "lab.toml"
        self.file.write_text(f'name = "{name}"\nprovider = "docker"\n{more}')

    @property
    def state(self) -> Path:
        return self.folder / ".swarmrig" / self.name

    @property
    def vagrant_log(self) -> str:
        return (self.state / "vagrant.log").read_text(errors="replace")

    def inv(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.outer.run([INV, *args], SWARMRIG_LAB=str(self.file))

    def must(self, *args: str) -> str:
        """What a verb says, on both its outputs. It has to end well."""
        done = self.inv(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def on(self, machine: str, command: str) -> str:
        return self.must("ssh", machine, "--command", command)

    def nodes(self) -> list[str]:
        return self.on("machine1", "docker node ls --format '{{.ID}}'").split()

    def states(self) -> list[tuple[str, str]]:
        """Each machine's state, and what the swarm says of its node."""
        said = json.loads(self.inv("status", "--json").stdout)
        return [(machine["state"], machine["node"]) for machine in said["machines"]]

    def ended_at(self, verb: str, said: str, number: signal.Signals) -> int:
        """A verb, sent a signal when it says so; its exit code."""
        with heeding_interrupts():
            process = subprocess.Popen(
                self.outer.command([INV, verb]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=CLONE,
                env=self.outer.environment(SWARMRIG_LAB=str(self.file)),
            )
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any(said in line for line in lines), "it ended before it said so"
        # nsenter became the command itself.
        process.send_signal(number)
        for _ in lines:
            pass
        process.stderr.close()
        return process.wait(300)


def container(outer: Outer, name: str) -> dict[str, object]:
    """What the engine says of a container's settings."""
    return dict(json.loads(outer.docker("inspect", name))[0]["HostConfig"])
