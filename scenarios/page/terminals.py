"""Terminals: a shell with a PTY on a machine, over SSH, that several browsers may look at.

One browser types in a terminal at a time, and its window gives the size. A lost connection is made
again; a shell that has ended is started again when somebody asks for it. Threads wait for the
channels, so that this works on Windows as well.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from provision.machine.machine import Machine
from provision.support.errors import SwarmrigError, UserError
from scenarios.page.keys import Line, Typing
from scenarios.page.news import Bell
from scenarios.page.scrollback import Scrollback

# sshd opens ten sessions over one connection (MaxSessions), and a terminal is one.
PER_MACHINE = 4
IN_ALL = 24
TYPED_AT_ONCE = 64 * 1024  # bytes
_SIZES = (2, 500)  # columns and rows
_PAUSE = 1.0  # seconds between attempts to connect
_LOST = (SwarmrigError, OSError, EOFError, paramiko.SSHException)

# The machine of that name as it is reached now: after a rebuild it is another one.
Reach = Callable[[str], Machine]


@dataclass(frozen=True)
class Status:
    """`state` is connecting, open, lost or ended; `says` tells why it was lost."""

    state: str
    says: str = ""


class Terminal:
    """One shell. Its thread runs until `close`."""

    def __init__(self, machine: str, reach: Reach) -> None:
        self.bell = Bell()
        self.output = Scrollback()
        self.typing = Typing()
        self.status = Status("connecting")
        self.size = (80, 24)
        self.holder: object = None
        self._machine, self._reach = machine, reach
        self._channel: paramiko.Channel | None = None
        self._over = threading.Event()
        self._again = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def type(self, data: bytes) -> None:
        """Send what was typed; without a connection it goes nowhere. May wait for the machine."""
        if channel := self._channel:
            with contextlib.suppress(*_LOST):
                channel.sendall(data)
                self.typing.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        low, high = _SIZES
        self.size = (min(max(columns, low), high), min(max(rows, low), high))
        if channel := self._channel:
            with contextlib.suppress(*_LOST):
                channel.resize_pty(*self.size)
        self.bell.ring()

    def hold(self, viewer: object) -> None:
        """From now on this viewer types."""
        self.holder = viewer
        self.bell.ring()

    def leave(self, viewer: object) -> None:
        if self.holder is viewer:
            self.hold(None)

    def again(self) -> None:
        """Start a new shell where the last one has ended."""
        self._again.set()

    def close(self) -> None:
        """End the shell: sshd hangs it up with its session."""
        self._over.set()
        self._again.set()
        if channel := self._channel:
            with contextlib.suppress(*_LOST):
                channel.close()

    def join(self) -> None:
        self._thread.join(5)

    # -- the thread ---------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._over.is_set():
            try:
                channel = self._open()
            except _LOST as error:
                self._tell("lost", str(error) or type(error).__name__)
                self._over.wait(_PAUSE)
                continue
            with contextlib.closing(channel):
                self._tell("open")
                self._read(channel)
                self._channel = None
                # The end of the output and the shell's exit status are two packets, in any order;
                # a lost connection ends the wait with -1.
                code = channel.recv_exit_status()
            if code == -1:
                self._tell("lost", "the connection was lost")
                self._over.wait(_PAUSE)
            elif not self._over.is_set():
                self._again.clear()
                self._tell("ended")
                self._again.wait()

    def _open(self) -> paramiko.Channel:
        machine = self._reach(self._machine)
        machine.connect(patience=0)
        channel = machine.transport.open_session(timeout=30)
        # sshd may refuse it, and then the login's own language counts.
        channel.set_environment_variable("LANG", "C.UTF-8")
        channel.get_pty("xterm-256color", *self.size)
        channel.invoke_shell()
        self._channel = channel
        if self._over.is_set():  # it was closed meanwhile
            channel.close()
        return channel

    def _read(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(*_LOST):
            while data := channel.recv(32 * 1024):
                self.output.add(data)
                self.bell.ring()

    def _tell(self, state: str, says: str = "") -> None:
        self.status = Status(state, says)
        self.bell.ring()


class Terminals:
    """All terminals of the page, by machine and number; each is opened when it is first seen."""

    def __init__(self, machines: list[str], reach: Reach) -> None:
        self._machines, self._reach = machines, reach
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], Terminal] = {}

    def get(self, machine: str, number: int) -> Terminal:
        """The terminal, opened where it is not. Raises UserError for one that may not be."""
        with self._lock:
            if there := self._open.get((machine, number)):
                return there
            if machine not in self._machines:
                raise UserError(f"There is no machine {machine!r}.")
            if not 1 <= number <= PER_MACHINE:
                raise UserError(f"A machine has {PER_MACHINE} terminals at most.")
            if len(self._open) >= IN_ALL:
                raise UserError(f"There are {IN_ALL} terminals open, which is the most.")
            return self._open.setdefault((machine, number), Terminal(machine, self._reach))

    def typed(self, machine: str) -> list[Line]:
        """The command lines that were typed on a machine and are known, the oldest first."""
        with self._lock:
            opened = [one for (name, _), one in self._open.items() if name == machine]
        lines = [line for one in opened for line in one.typing.lines]
        return sorted(lines, key=lambda line: line.at)

    def close(self) -> None:
        with self._lock:
            opened = list(self._open.values())
            self._open.clear()
        for one in opened:
            one.close()
        for one in opened:
            one.join()
