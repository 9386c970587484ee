"""A ping that goes on while something else happens: numbered packets, each a look of its own.

We send a number to a loop on the machine, which sends one packet and answers with what came of it.
So each packet lies between two moments of our own clock, however slow machine and connection are,
and the loop ends when its input does: with our process, or with the connection. It runs beside
Docker's daemon, not through it: a daemon that is gone or frozen does not lose a ping.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.looks import Looker

WAIT = 2  # seconds for a reply; a delay that was made on purpose is shorter
_LOOP = (
    "while read -r n; do if ping -n -c 1 -W {wait} {address} >/dev/null 2>&1; "
    'then echo "$n answered"; else echo "$n lost"; fi; done'
)


@dataclass(frozen=True)
class Ping:
    """From where, to which address, and what it is called on the time line.

    `container` is that of a task; "" pings from the machine itself. `pid` finds the process of the
    container, which may have been started again.
    """

    subject: str
    machine: Machine
    address: str
    container: str = ""
    pid: Callable[[Machine], int] | None = None


def loop_command(address: str, pid: int = 0) -> str:
    """The loop; in the network of process `pid`, where one is given.

    Where the machine has no ping of its own, that of the container is taken.
    """
    loop = _LOOP.format(wait=WAIT, address=shlex.quote(address))
    shell = f"sh -c {shlex.quote(loop)}"
    if not pid:
        return shell
    return (
        f"if command -v ping >/dev/null; then exec nsenter -n -t {pid} {shell}; "
        f"else exec nsenter -n -m -t {pid} {shell}; fi"
    )


class Pinger(Looker):
    """Pings until it is told to stop; what is lost with the connection counts as not sent."""

    def __init__(
        self, ping: Ping, limit: float, lanes: Lanes, pause: float, stop: threading.Event
    ) -> None:
        super().__init__(f"ping {ping.subject}", lanes, pause, stop)
        self.ping, self.limit = ping, limit
        self._channel: paramiko.Channel | None = None
        self._heard = b""
        self._number = 0

    def look(self) -> None:
        try:
            channel = self._channel or self._open()
            self._number += 1
            begin = self.lanes.now()
            channel.sendall(f"{self._number}\n".encode())
            state = self._answer(channel)
        except BaseException:
            self.end()
            raise
        if self.stop.is_set():
            return
        end = self.lanes.now()
        ping = self.ping
        self.lanes.saw(
            "ping",
            ping.subject,
            state,
            begin,
            end,
            machine=ping.machine.name,
            about=ping.address,
            detail=f"packet {self._number}",
        )

    def _open(self) -> paramiko.Channel:
        ping = self.ping
        ping.machine.connect(patience=0)
        pid = ping.pid(ping.machine) if ping.pid else 0
        if ping.pid and not pid:
            raise MachineError(f"{ping.machine.name}: the task {ping.container} does not run")
        channel = ping.machine.transport.open_session(timeout=30)
        channel.settimeout(WAIT + self.limit)
        channel.exec_command(ping.machine.as_root(loop_command(ping.address, pid)))
        self._channel, self._heard = channel, b""
        return channel

    def _answer(self, channel: paramiko.Channel) -> str:
        """The loop's word for the packet that was sent last."""
        while True:
            line, newline, rest = self._heard.partition(b"\n")
            if newline:
                self._heard = rest
                number, _, state = line.decode(errors="replace").partition(" ")
                if number == str(self._number):
                    return state
                continue
            chunk = channel.recv(4096)
            if not chunk:
                said = channel.recv_stderr(4096).decode(errors="replace").strip()
                raise MachineError(f"{self.ping.machine.name}: the ping ended: {said or 'no word'}")
            self._heard += chunk

    def end(self) -> None:
        channel, self._channel = self._channel, None
        if channel:
            channel.close()
        if self.stop.is_set():
            self.ping.machine.abandon()
