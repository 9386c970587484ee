"""The verb learn, before there is a page."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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
