"""A lab's proxy: the engine of a real host asks it, and no longer when the lab is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from provision.lifecycle import destroy, up
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Host
from tests.hosts.test_existing import look, own
from tests.support.progress import quiet

__all__ = ["own"]
BRIDGE = "10.77.0.254"


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """A proxy that refuses everything: the heads of the requests that came to it."""
    heads: list[str] = []
    server = socket.create_server((BRIDGE, 3128))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                heads.append(client.recv(4096).decode())
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield heads
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def pull(host: Host) -> None:
    host.exec("docker", "pull", "registry.example/x", check=False)


def test_the_engine_and_apt_use_it_and_a_host_forgets_it_with_the_lab(
    own: list[Host], lab_of: Labs, asked: list[str]
) -> None:
    looked = [line for line in look(own) if "bridge" not in line]
    url = f"http://me:se%20same@{BRIDGE}:3128"
    lab = lab_of(own, more=f'[proxy]\nhttp = "{url}"\nhttps = "{url}"')
    up.up(lab, quiet())
    pull(own[0])
    assert any(head.startswith("CONNECT registry.example:443") for head in asked)
    assert all("Proxy-Authorization: Basic bWU6c2Ugc2FtZQ==" in head for head in asked)
    config = own[0].exec("apt-config", "dump", "Acquire").stdout
    assert f'Acquire::http::Proxy "{url}";' in config
    assert "same" not in own[0].exec("systemctl", "show", "docker").stdout
    assert "same" not in (lab.state / "journal.json").read_text()

    removed = destroy.destroy(lab, quiet())
    assert "the lab's proxy from machine7" in removed
    asked.clear()
    pull(own[0])
    assert asked == []
    assert own[0].exec("apt-config", "dump", "Acquire::http::Proxy").stdout == ""
    assert [line for line in look(own) if "bridge" not in line] == looked
