"""Ports of this host that are taken, found before a machine boots."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.providers import forwards
from provision.support.errors import UserError


def lab(folder: Path, port: int, address: str = "127.0.0.1") -> Lab:
    (folder / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\n"
        f"forward = [{{guest = 80, host = {port}, address = '{address}'}}]\n"
    )
    return load.load(folder / "lab.toml")


def test_a_port_that_somebody_listens_at_is_named_with_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        made = lab(tmp_path, port)
        with pytest.raises(UserError) as caught:
            forwards.check(made, ["b"])
        assert str(caught.value) == (
            f"lab.toml: machines[2].forward[1]: port {port} of 127.0.0.1 is in use on this host"
        )
        # A machine that runs holds it itself.
        forwards.check(made, ["a"])
    forwards.check(made, ["b"])


def test_an_address_that_this_host_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.7 is no address of this host"):
        forwards.check(lab(tmp_path, 8080, "192.0.2.7"), ["b"])
