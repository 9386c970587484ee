"""Terminals over a channel that is played: lost, ended, again, and one that types."""

from __future__ import annotations

import queue
from typing import Any, cast

import pytest

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.page.terminals import Terminal, Terminals
from tests.unit.scenarios.page.waiting import wait_for


class Channel:
    """As paramiko's: `says` is what the shell prints, b"" its end; its exit status comes apart."""

    def __init__(self) -> None:
        self.says: queue.Queue[bytes] = queue.Queue()
        self.typed = b""
        self.size = (0, 0)
        self.exit_status: queue.Queue[int] = queue.Queue()

    def set_environment_variable(self, name: str, value: str) -> None: ...

    def get_pty(self, _term: str, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    def resize_pty(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    def invoke_shell(self) -> None: ...

    def recv(self, _size: int) -> bytes:
        return self.says.get()

    def sendall(self, data: bytes) -> None:
        self.typed += data

    def recv_exit_status(self) -> int:
        return self.exit_status.get()

    def close(self) -> None:
        self.says.put(b"")
        self.exit_status.put(-1)


class Host:
    """A machine, its transport, and the shells that were opened on it."""

    def __init__(self) -> None:
        self.shells: list[Channel] = []
        self.down = False

    @property
    def transport(self) -> Host:
        return self

    def connect(self, patience: float) -> None:
        if self.down:
            raise MachineError("machine1: no SSH")

    def open_session(self, timeout: float) -> Channel:
        self.shells.append(Channel())
        return self.shells[-1]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def terminal(host: Host) -> Any:
    one = Terminal("machine1", lambda _: cast(Machine, host))
    yield one
    one.close()
    one.join()


def is_in(terminal: Terminal, state: str) -> None:
    wait_for(lambda: terminal.status.state == state)


def test_what_the_shell_prints_is_kept_and_what_is_typed_is_sent(
    host: Host, terminal: Terminal
) -> None:
    is_in(terminal, "open")
    host.shells[0].says.put("Ä€✓".encode())
    wait_for(lambda: terminal.output.end)
    assert terminal.output.since(0)[0].decode() == "Ä€✓"
    terminal.type(b"ls\r")
    assert host.shells[0].typed == b"ls\r"


def test_what_is_typed_on_a_machine_is_known_whichever_terminal_it_was(host: Host) -> None:
    two = Terminals(["machine1", "machine2"], lambda _: cast(Machine, host))
    try:
        for number in (1, 2):
            one = two.get("machine1", number)
            is_in(one, "open")
            one.type(f"docker inspect c{number}\r".encode())
        assert [line.text for line in two.typed("machine1")] == [
            "docker inspect c1",
            "docker inspect c2",
        ]
        assert two.typed("machine2") == []
    finally:
        two.close()


def test_sizes_have_limits(host: Host, terminal: Terminal) -> None:
    is_in(terminal, "open")
    assert host.shells[0].size == (80, 24)
    terminal.resize(100_000, -1)
    assert host.shells[0].size == terminal.size == (500, 2)


def test_a_lost_connection_is_made_again_with_the_same_size(host: Host, terminal: Terminal) -> None:
    is_in(terminal, "open")
    terminal.resize(100, 30)
    host.down = True
    host.shells[0].close()
    wait_for(lambda: "no SSH" in terminal.status.says)
    terminal.type(b"into the void")
    host.down = False
    is_in(terminal, "open")
    assert host.shells[1].size == (100, 30)
    assert host.shells[1].typed == b""


def test_a_shell_that_has_ended_is_started_again_when_asked(host: Host, terminal: Terminal) -> None:
    is_in(terminal, "open")
    host.shells[0].says.put(b"")
    wait_for(host.shells[0].says.empty)
    # sshd sends the exit status apart: until then it is not known how the shell ended.
    assert terminal.status.state == "open"
    host.shells[0].exit_status.put(0)
    is_in(terminal, "ended")
    assert len(host.shells) == 1
    terminal.again()
    wait_for(lambda: len(host.shells) == 2)
    is_in(terminal, "open")


def test_who_types_is_one_and_leaves_it_to_others(terminal: Terminal) -> None:
    terminal.hold("first")
    terminal.leave("second")
    assert terminal.holder == "first"
    terminal.hold("second")
    terminal.leave("second")
    assert terminal.holder is None
