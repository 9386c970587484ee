"""The Docker SDK over an SSH connection that is already there.

The SDK can speak SSH by itself, but only with a second login and the user's own ssh settings
(docker-py issue 2416). Here each HTTP connection is one more channel of the Fabric connection: to
the engine's socket itself, or, where sshd or the socket refuses that, to `docker system
dial-stdio`, as the docker CLI does it for DOCKER_HOST=ssh://. The socket saves the start of a CLI,
which takes an emulated machine half a second.
Source: https://docs.docker.com/engine/security/protect-access/#use-ssh-to-protect-the-docker-daemon-socket
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import docker
import paramiko
import requests
import urllib3
from docker.transport.basehttpadapter import BaseHTTPAdapter

from provision.machine.channel import ChannelSocket
from provision.ssh.transport import Transport

# sshd allows ten sessions on a connection (MaxSessions); commands and captures need some too.
CHANNELS = 4
URL = "http+docker://ssh"
_SOCKET = "/var/run/docker.sock"
_DIAL = "docker system dial-stdio"
# A login outside the group `docker` needs sudo.
_DIAL_AS_NEEDED = f"if [ -w {_SOCKET} ]; then exec {_DIAL}; else exec sudo -n {_DIAL}; fi"
# The oldest engine that Swarmrig provisions speaks this; the real one is asked for before use.
_FIRST_VERSION = "1.41"


class _Connection(urllib3.connection.HTTPConnection):
    """An HTTP connection whose socket is an SSH channel."""

    def __init__(self, open_channel: Callable[[], paramiko.Channel], **settings: Any) -> None:
        super().__init__("localhost", **settings)
        self._open_channel = open_channel

    def connect(self) -> None:
        self.sock = ChannelSocket(self._open_channel())
        timeout = self.timeout
        self.sock.settimeout(timeout if isinstance(timeout, int | float) else None)


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, open_channel: Callable[[], paramiko.Channel]) -> None:
        super().__init__("localhost", maxsize=CHANNELS, block=True)
        self._open_channel = open_channel

    def _new_conn(self) -> _Connection:
        timeout = self.timeout.connect_timeout
        return _Connection(
            self._open_channel, timeout=timeout if isinstance(timeout, int | float) else None
        )

    def _get_conn(self, timeout: float | None = None) -> Any:
        # urllib3 would look for a dropped connection with select(), which channels have no
        # file descriptor for; a channel knows by itself whether it is closed.
        if self.pool is None:
            raise urllib3.exceptions.ClosedPoolError(self, "Pool is closed.")
        conn = self.pool.get(block=True, timeout=timeout)
        if conn is not None and getattr(conn.sock, "closed", False):
            conn.close()
        return conn or self._new_conn()


class _Adapter(BaseHTTPAdapter):
    def __init__(self, open_channel: Callable[[], paramiko.Channel]) -> None:
        self._pool = _Pool(open_channel)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> _Pool:
        return self._pool

    def get_connection(self, *_: Any, **__: Any) -> _Pool:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        return str(request.path_url)

    def close(self) -> None:
        self._pool.close()
        super().close()


def client(transport: Transport, is_root: bool, timeout: float = 60) -> docker.DockerClient:
    """A Docker client whose every connection is a channel of `transport`, which root has or not.

    `timeout` (seconds) bounds each answer. Raises docker.errors.DockerException or
    paramiko.SSHException where the engine does not answer.
    """
    lock = threading.Lock()

    def open_channel() -> paramiko.Channel:
        with lock:
            with contextlib.suppress(paramiko.ChannelException):
                return transport.open_socket(_SOCKET, timeout)
            channel = transport.open_session(timeout=timeout)
        channel.exec_command(_DIAL if is_root else _DIAL_AS_NEEDED)
        return channel

    # A fixed version keeps the constructor from connecting before the adapter is in place.
    made = docker.DockerClient(base_url="http://localhost:1", version=_FIRST_VERSION)
    api: Any = made.api  # its private names below: kept in step by a contract test
    api.timeout = timeout
    api.mount(URL, _Adapter(open_channel))
    api.base_url = URL
    # As the docker CLI asks it; /version starts programs to tell their versions, which takes time.
    pong = api.get(f"{URL}/_ping", timeout=timeout)
    pong.raise_for_status()
    api._version = pong.headers["Api-Version"]
    return made
