"""The verb learn, before there is a page."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.ssh.endpoint import Endpoint
from scenarios.cli.page import _Lines

CLONE = Path(__file__).parents[4]
LAB = """
name = "t"
provider = "hosts"
[[machines]]
name = "machine1"
role = "manager"
address = "192.0.2.1"
[[machines]]
name = "machine2"
address = "192.0.2.2"
"""


def learn(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    file = folder / "lab.toml"
    file.write_text(LAB)
    return subprocess.run(
        [sys.executable, "-m", "invoke", "learn", *words, "--no-open", f"--lab={file}"],
        cwd=CLONE,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_port_that_is_in_use_is_an_error_and_the_lab_is_not_brought_up(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = learn(tmp_path, "overlay", f"--port={port}")
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be used: " in done.stderr
    assert "in use" in done.stderr
    assert "Leave --port out for a free one." in done.stderr
    assert not (tmp_path / ".swarmrig" / "t" / "page.html").exists()


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_an_error(tmp_path: Path, port: str) -> None:
    done = learn(tmp_path, "overlay", f"--port={port}")
    assert done.returncode == 2
    assert f"Port {port} of 127.0.0.1 cannot be used: " in done.stderr


def test_a_terminal_writes_down_no_host_key(tmp_path: Path) -> None:
    """Machines that are created again may get each other's port: the key would be another one's."""
    end = Endpoint("127.0.0.1", 2222, "vagrant", (), tmp_path / "known_hosts", trust_first=True)
    machine: Any = SimpleNamespace(endpoint=end)

    @contextlib.contextmanager
    def viewed(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(machines={"machine1": machine})

    lines = _Lines(viewed, None)  # type: ignore[arg-type]
    with contextlib.closing(lines):
        assert not lines.reach("machine1").endpoint.trust_first
