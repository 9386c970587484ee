"""A machine, as far as it can be tested without one."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.machine.machine import Machine
from provision.support.errors import MachineError

CLONE = Path(__file__).parents[3]


def test_the_ssh_librarys_own_log_is_not_printed_to_people() -> None:
    code = (
        "import logging, provision.machine.machine; "
        "logging.getLogger('paramiko.transport').error('Secsh channel 0 open FAILED')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("", "")


class Closed:
    """A channel whose command ended before it took its input, as paramiko has it."""

    def __init__(self, code: int, said: bytes) -> None:
        self.code, self.said = code, said

    def settimeout(self, _: float) -> None: ...

    def sendall(self, _: bytes) -> None:
        raise OSError("Socket is closed")

    def shutdown_write(self) -> None:
        raise EOFError

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO()

    def makefile_stderr(self, _: str) -> io.BytesIO:
        return io.BytesIO(self.said)

    def recv_exit_status(self) -> int:
        return self.code


def fed(channel: Closed) -> Any:
    machine = Machine(SimpleNamespace(name="machine1"), SimpleNamespace(user="root"))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def stream(_: str) -> Iterator[Closed]:
        yield channel

    machine.stream = stream  # type: ignore[assignment,method-assign]
    return machine.feed("docker load", b"an archive")


def test_a_command_that_ends_before_its_input_does_is_quoted() -> None:
    result = fed(Closed(1, b"no space left on device"))
    assert (result.exit_code, result.last_words) == (1, "no space left on device")


def test_a_connection_that_ends_before_the_input_does_is_lost() -> None:
    with pytest.raises(MachineError, match="machine1: the connection was lost during `docker load"):
        fed(Closed(-1, b""))
