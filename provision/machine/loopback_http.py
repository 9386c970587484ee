"""HTTP to a port that a machine serves on its own loopback, through the SSH connection there is.

The request is one more channel of that connection (RFC 4254, section 7.2, direct-tcpip): nothing
is needed on the machine, and nothing listens beyond it.
"""

from __future__ import annotations

import http.client

import paramiko

from provision.machine.channel import ChannelSocket
from provision.machine.machine import Machine
from provision.support.errors import MachineError


def get(machine: Machine, port: int, path: str, accept: str = "*/*", timeout: float = 20) -> bytes:
    """The body of `http://127.0.0.1:port/path` on the machine.

    Raises MachineError where nothing listens there, SSH forwards nothing, or the answer is not 200.
    """
    where = f"http://127.0.0.1:{port}{path}"
    try:
        channel = machine.transport.open_channel(
            "direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0), timeout=timeout
        )
        channel.settimeout(timeout)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        connection.sock = ChannelSocket(channel)
        try:
            connection.request("GET", path, headers={"Accept": accept, "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            channel.close()
    except (OSError, EOFError, paramiko.SSHException, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise MachineError(f"{machine.name}: {where} does not answer: {said}") from error
    if answer.status != 200:
        raise MachineError(f"{machine.name}: {where} answers {answer.status} {answer.reason}")
    return body
