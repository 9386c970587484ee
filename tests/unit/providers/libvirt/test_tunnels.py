"""Forwarded ports of libvirt's machines, with an ssh that opens the port and logs in nowhere."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.lab.load import load
from provision.lab.model import Lab
from provision.providers import forwards
from provision.providers.libvirt import tunnels
from provision.providers.libvirt.backend import Libvirt
from provision.ssh.endpoint import Endpoint
from provision.support.errors import MachineError, UserError

# Whether the machines have been restored from a checkpoint.
Again = Callable[[bool], None]

# As ssh with ExitOnForwardFailure=yes.
SSH = f"""#!{sys.executable}
import socket, sys
address, port, _, _ = sys.argv[sys.argv.index("-L") + 1].split(":")
with socket.socket() as here:
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        here.bind((address, int(port)))
    except OSError:
        sys.exit("bind: Address already in use\\nCould not request local forwarding.")
    here.listen()
    while True:
        here.accept()[0].close()
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def lab(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Lab:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    file = tmp_path / "lab.toml"
    file.write_text(
        f'[[machines]]\nname = "web"\nforward = [{{ guest = 80, host = {port} }}]\n'
        '[[machines]]\nname = "db"\n'
    )
    return load(file)


@pytest.fixture
def note(lab: Lab, port: int) -> Iterator[Path]:
    """Where vagrant-libvirt writes the process down, and looks when it ends it."""
    file = lab.state / "vagrant" / "machines" / "web" / "libvirt" / "pids" / f"ssh_{port}.pid"
    yield file
    if file.is_file():
        os.kill(int(file.read_text()), signal.SIGKILL)


@pytest.fixture
def again(lab: Lab) -> Again:
    key, known_hosts = lab.state / "vagrant" / "100% key", lab.state / "known_hosts"
    ends = {
        name: Endpoint(address, 22, "vagrant", (key,), known_hosts, True)
        for name, address in (("web", "192.168.57.11"), ("db", "192.168.57.12"))
    }
    return lambda restored: Libvirt().forward(lab, ends, restored)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    return False


def words_of(note: Path) -> list[str]:
    return Path(f"/proc/{note.read_text()}/cmdline").read_text().split("\0")


def test_one_that_has_ended_is_started_and_written_down(
    again: Again, note: Path, port: int
) -> None:
    again(False)
    socket.create_connection(("127.0.0.1", port)).close()
    words = words_of(note)
    assert words[words.index("-L") + 1] == f"127.0.0.1:{port}:192.168.57.11:80"
    assert words[-3:-1] == ["--", "192.168.57.11"]


def test_one_that_is_there_stays(again: Again, note: Path) -> None:
    again(False)
    was = note.read_text()
    again(False)
    assert note.read_text() == was


def test_all_are_started_again_when_machines_were_restored(
    again: Again, note: Path, port: int
) -> None:
    again(False)
    was = note.read_text()
    again(True)
    assert note.read_text() != was
    socket.create_connection(("127.0.0.1", port)).close()


def test_a_process_that_has_its_number_now_is_left_alone(again: Again, note: Path) -> None:
    note.parent.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as other:
        note.write_text(str(other.pid))
        again(True)
        assert note.read_text() != str(other.pid)
        assert other.poll() is None
        other.terminate()


def test_a_port_that_is_taken_meanwhile_is_told_in_the_words_of_ssh(
    again: Again, port: int
) -> None:
    with socket.socket() as taken:
        # Bound, and nobody listens.
        taken.bind(("127.0.0.1", port))
        with pytest.raises(MachineError, match=rf"web: port {port} .*local forwarding") as caught:
            again(False)
    assert "inv up" in str(caught.value.advice)


def test_a_port_that_is_closed_a_moment_later_is_waited_for(
    again: Again, note: Path, port: int
) -> None:
    with socket.socket() as ending:
        ending.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ending.bind(("127.0.0.1", port))
        ending.listen()

        def close() -> None:
            ending.accept()[0].close()  # it was seen to answer
            ending.close()

        closing = threading.Thread(target=close)
        closing.start()
        again(False)
        closing.join()
    assert answers(port)
    assert note.exists()


def test_a_port_where_somebody_else_answers_is_not_taken_for_the_machines(
    again: Again, note: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "_ENDING", 0.3)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(MachineError, match=rf"web: port {port} .*another program listens"):
            again(False)
        assert not note.exists()  # nothing was started


def test_one_is_written_down_though_the_command_is_killed_as_it_starts(
    again: Again, note: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def popen(*words: Any, **more: Any) -> None:
        started.append(real(*words, **more))
        raise KeyboardInterrupt

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(KeyboardInterrupt):
        again(False)
    monkeypatch.setattr(subprocess, "Popen", real)
    end = time.monotonic() + 60
    while not answers(port) and time.monotonic() < end:
        time.sleep(0.05)
    assert note.read_text() == str(started[0].pid)
    again(False)
    assert note.read_text() == str(started[0].pid)
    again(True)
    assert started[0].wait(60)


def test_one_whose_note_was_lost_is_known_by_the_labs_key(
    again: Again, lab: Lab, note: Path, port: int, tmp_path: Path
) -> None:
    again(False)
    note.unlink()
    assert tunnels.end_left(tmp_path / "another") == []
    assert tunnels.end_left(lab.state) == [f"forwarded port 127.0.0.1:{port}"]
    while answers(port):
        time.sleep(0.05)


def test_those_of_machines_that_are_off_hold_no_port_against_the_next_up(
    again: Again, lab: Lab, note: Path, port: int
) -> None:
    """After a power cut of the machines ssh still waits for them."""
    again(False)
    with pytest.raises(UserError, match="is in use on this host"):
        forwards.check(lab, ["web"])
    forwards.check(lab, ["web"], Libvirt().held_ports(lab, ["web"]))
    assert Libvirt().held_ports(lab, ["db"]) == []
    Libvirt().close_ports(lab, ["db"])
    assert answers(port)
    Libvirt().close_ports(lab, ["web", "db"])
    forwards.check(lab, ["web"])
