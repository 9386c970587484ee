"""HTTP over a channel of a real SSH connection, whose other end is in this process."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
import requests
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from provision.machine import loopback_http
from provision.machine.docker_api import URL, _Adapter
from provision.support.errors import MachineError

LIMIT = 60  # seconds: a last resort
Serve = Callable[[paramiko.Channel], None]


class Allows(paramiko.ServerInterface):
    def check_channel_direct_tcpip_request(self, *_: Any) -> int:
        return OPEN_SUCCEEDED

    def check_auth_none(self, _: str) -> int:
        return AUTH_SUCCESSFUL


@contextlib.contextmanager
def connected(serve: Serve) -> Iterator[paramiko.Transport]:
    """An SSH connection at whose other end each channel is answered by `serve`, then closed."""
    here, there = socket.socketpair()
    server = paramiko.Transport(there)
    server.add_server_key(paramiko.ECDSAKey.generate())
    server.start_server(threading.Event(), Allows())
    client = paramiko.Transport(here)

    def answer() -> None:
        while server.is_active():
            if channel := server.accept(0.1):
                with channel:
                    serve(channel)

    thread = threading.Thread(target=answer, daemon=True)
    try:
        client.start_client(timeout=LIMIT)
        client.auth_none("root")
        thread.start()
        yield client
    finally:
        client.close()
        server.close()
        thread.join(LIMIT)


@pytest.fixture
def head_was_read(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when Python's HTTP client has taken an answer's head, and done with it what it does."""
    event = threading.Event()
    original = http.client.HTTPConnection.getresponse

    def getresponse(connection: Any) -> Any:
        response = original(connection)
        event.set()
        return response

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", getresponse)
    return event


def slowly(head: bytes, body: bytes, between: threading.Event) -> Serve:
    def serve(channel: paramiko.Channel) -> None:
        channel.recv(4096)
        channel.sendall(head)
        assert between.wait(LIMIT)
        with contextlib.suppress(OSError):  # the other end may have closed the channel
            channel.sendall(body)

    return serve


def machine(transport: paramiko.Transport) -> Any:
    return SimpleNamespace(name="machine1", transport=transport)


ENDS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
BODIES = [
    (b"Content-Length: 4\r\n\r\n", b"body"),
    (b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nbody\r\n0\r\n\r\n"),
    (b"\r\n", b"body"),
]


@pytest.mark.parametrize(("fields", "body"), BODIES, ids=["length", "chunks", "until the end"])
def test_a_body_that_comes_later_than_its_head_is_read(
    head_was_read: threading.Event, fields: bytes, body: bytes
) -> None:
    with connected(slowly(ENDS + fields, body, head_was_read)) as transport:
        assert loopback_http.get(machine(transport), 6784, "/report") == b"body"


@pytest.mark.parametrize(("fields", "body"), BODIES, ids=["length", "chunks", "until the end"])
def test_so_is_an_engines_answer_that_ends_its_connection(
    head_was_read: threading.Event, fields: bytes, body: bytes
) -> None:
    with connected(slowly(ENDS + fields, body, head_was_read)) as transport:

        def channel() -> paramiko.Channel:
            return transport.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 0))

        with requests.Session() as session:
            session.mount(URL, _Adapter(channel))
            assert session.get(f"{URL}/_ping", timeout=LIMIT).content == b"body"


def test_an_answer_that_breaks_off_is_none(head_was_read: threading.Event) -> None:
    with (
        connected(slowly(ENDS + b"Content-Length: 4\r\n\r\n", b"bo", head_was_read)) as transport,
        pytest.raises(MachineError, match=r"machine1: http://127.0.0.1:6784/report does not"),
    ):
        loopback_http.get(machine(transport), 6784, "/report")


def test_another_answer_than_200_is_told(head_was_read: threading.Event) -> None:
    refused = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n"
    with (
        connected(slowly(refused, b"", head_was_read)) as transport,
        pytest.raises(MachineError, match="answers 503 Service Unavailable"),
    ):
        loopback_http.get(machine(transport), 6784, "/report")


def test_the_channel_is_closed_afterwards(head_was_read: threading.Event) -> None:
    head = ENDS + b"Content-Length: 4\r\n\r\n"
    with connected(slowly(head, b"body", head_was_read)) as transport:
        opened: list[paramiko.Channel] = []
        original = transport.open_channel

        def open_channel(*args: Any, **named: Any) -> paramiko.Channel:
            opened.append(original(*args, **named))
            return opened[-1]

        transport.open_channel = open_channel  # type: ignore[method-assign]
        loopback_http.get(machine(transport), 6784, "/report")
        assert [channel.closed for channel in opened] == [True]
