"""The ports of this host that lead to libvirt's machines: an `ssh -L` each.

vagrant-libvirt starts them at the end of `vagrant up` alone, and ends them with their machine, by
the process ids that it has written down. A machine that is restored from a checkpoint, or restarted
from inside, knows nothing of them any more: here they are started again, and written down where
Vagrant looks.
Source: lib/vagrant-libvirt/action/forward_ports.rb of vagrant-libvirt 0.12; ssh(1), -L.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.lab.model import Forward, Lab
from provision.ssh.client_config import client_of, quoted
from provision.ssh.endpoint import Endpoint
from provision.support.errors import MachineError

_LIMIT = 60.0  # seconds for ssh to log in
_ENDING = 10.0  # for one to close its port when it has been told to end
_PAUSE = 0.1
_PRIVILEGED = 1024

# Written down by itself, before it is ssh: there is none that nobody knows of, whoever is killed.
_NOTED = 'printf %s $$ > "$0" && exec "$@"'

# They run on when this process ends; until then it is their parent.
_started: list[subprocess.Popen[bytes]] = []


def renew(lab: Lab, ends: Mapping[str, Endpoint], restored: bool) -> None:
    """Start those that have ended; all of them where the machines have just been restored.

    Raises MachineError where ssh cannot open a port or reach a machine.
    """
    tunnels = _of(lab, ends)
    cut = [tunnel for tunnel in tunnels if restored or not tunnel.process()]
    for tunnel in cut:
        tunnel.end()
        tunnel.see_free()
    for tunnel, process in [(tunnel, tunnel.start(ends[tunnel.machine])) for tunnel in cut]:
        tunnel.see(process)


def held(lab: Lab, machines: Collection[str]) -> list[Forward]:
    """The ports of these machines that the lab's own ssh holds."""
    return [one.forward for one in _of(lab, machines) if one.process()]


def end(lab: Lab, machines: Collection[str]) -> None:
    """End those of machines that do not run: they would hold the ports that Vagrant opens again."""
    for tunnel in _of(lab, machines):
        if tunnel.process():
            tunnel.end()
            tunnel.see_free()


def _of(lab: Lab, machines: Collection[str]) -> list[_Tunnel]:
    return [
        _Tunnel(machine.name, forward, lab.state)
        for machine in lab.machines
        if machine.name in machines
        for forward in machine.forward
    ]


def end_left(state: Path) -> list[str]:
    """End those of a lab that nobody has written down any more; what was ended.

    They are known by the lab's folder, in which the key lies that they log in with.
    """
    # As Vagrant writes it, and as it has to be written.
    places = [f"{text}/".encode() for text in (str(state), quoted(state).strip('"'))]
    ended = []
    for folder in Path("/proc").iterdir():
        words = _words(folder)
        ssh = any(word.rpartition(b"/")[2] == b"ssh" for word in words[:2])
        if ssh and b"-L" in words and any(place in word for word in words for place in places):
            way = words[words.index(b"-L") + 1].decode(errors="replace")
            _kill(int(folder.name), as_root=words[0] == b"sudo")
            ended.append(f"forwarded port {':'.join(way.split(':')[:2])}")
    return ended


def _words(process: Path) -> list[bytes]:
    """The command line of a process, by its folder; none where it has ended, or is no process."""
    try:
        return (process / "cmdline").read_bytes().split(b"\0") if process.name.isdigit() else []
    except OSError:
        return []


def _kill(number: int, as_root: bool) -> None:
    if as_root:
        subprocess.run(["sudo", "kill", str(number)], check=False)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)


@dataclass(frozen=True)
class _Tunnel:
    machine: str
    forward: Forward
    state: Path

    @property
    def _folder(self) -> Path:
        return self.state / "vagrant" / "machines" / self.machine / "libvirt"

    @property
    def _note(self) -> Path:
        return self._folder / "pids" / f"ssh_{self.forward.host}.pid"

    @property
    def _log(self) -> Path:
        return self._folder / "logs" / f"ssh-forwarding-{self.forward.host}.log"

    @property
    def _here(self) -> str:
        return f"{self.forward.address}:{self.forward.host}:"

    def process(self) -> int:
        """Its process; 0 where it has ended, or where another has that number now."""
        try:
            number = int(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        own = any(word.startswith(self._here.encode()) for word in _words(Path(f"/proc/{number}")))
        return number if own else 0

    def end(self) -> None:
        if number := self.process():
            _kill(number, self._as_root)
            end = time.monotonic() + _LIMIT
            while self.process() and time.monotonic() < end:
                time.sleep(_PAUSE)

    def start(self, end: Endpoint) -> subprocess.Popen[bytes]:
        way = f"{self._here}{end.host}:{self.forward.guest}"
        words = ["ssh", "-n", "-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]
        # One whose machine is gone ends by itself.
        words += ["-o", "ServerAliveInterval=15", "-L", way, *client_of(end)]
        if self._as_root:
            # As Vagrant does: it may ask for the password, and keeps it for this terminal.
            subprocess.run(["sudo", "-v"], check=False)
            words = ["sudo", *words]
        for folder in (self._log.parent, self._note.parent):
            folder.mkdir(parents=True, exist_ok=True)
        words = ["sh", "-c", _NOTED, str(self._note), *words]
        with self._log.open("wb") as log:
            # A group of its own: it outlives this command, and Ctrl-C.
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        _started.append(process)
        return process

    def see_free(self) -> None:
        """Raise MachineError where another program answers at the port: it would be taken for ours.

        ssh finds that out only when it has logged in. One of ours that is ending is waited for: its
        port is open for a moment longer than it can be seen to run.
        """
        end = time.monotonic() + _ENDING
        while self._answers():
            if time.monotonic() > end:
                raise MachineError(
                    f"{self.machine}: port {self.forward.host} of {self.forward.address} could not "
                    "be led to it again: another program listens there.",
                    "Free that port of this host, and run inv up again.",
                )
            time.sleep(_PAUSE)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection((self.forward.address, self.forward.host), 5).close()
            return True
        return False

    def see(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the port is open."""
        end = time.monotonic() + _LIMIT
        while process.poll() is None and time.monotonic() < end:
            if self._answers():
                return
            time.sleep(_PAUSE)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise MachineError(
            f"{self.machine}: port {self.forward.host} of {self.forward.address} could not be "
            f"led to it again: {said[-1] if said else f'no answer within {_LIMIT:.0f} s'}",
            "Free that port of this host if it is taken, and run inv up again.",
        )

    @property
    def _as_root(self) -> bool:
        return self.forward.host < _PRIVILEGED and os.geteuid() != 0
