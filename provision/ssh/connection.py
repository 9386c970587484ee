"""A Fabric connection to an endpoint, through its jump hosts, every host key on the way checked."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.auth_strategy import AuthFailure

from provision.ssh import host_keys
from provision.ssh.auth import Keys
from provision.ssh.endpoint import Endpoint
from provision.ssh.transport import Transport
from provision.support.errors import MachineError

CONNECT_LIMIT = 10  # seconds
# A peer that vanishes without a word is noticed after a minute, not after a quarter of an hour.
_SILENCE = 60


class JumpHosts:
    """One connection to each jump host, shared by all the machines behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[Endpoint, threading.Lock] = {}
        self._open: dict[Endpoint, Connection] = {}
        self._failed: dict[Endpoint, tuple[float, Exception]] = {}

    def transport(self, end: Endpoint) -> Transport:
        """The jump host's transport; logs in first where that is needed, raising what that does."""
        asked = time.monotonic()
        with self._lock:
            turn = self._turns.setdefault(end, threading.Lock())
        with turn:
            there = self._open.get(end)
            if there is None or not there.is_connected:
                when, error = self._failed.get(end, (0.0, None))
                if error is not None and when > asked:
                    # Another machine has tried meanwhile: no need to wait for the same again.
                    raise error
                try:
                    there = open_connection(end, self)
                except Exception as failure:
                    self._failed[end] = (time.monotonic(), failure)
                    raise
                self._open[end] = there
        return transport_of(there)

    def close(self) -> None:
        with self._lock:
            for connection in self._open.values():
                with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                    connection.close()
            self._open.clear()


def open_connection(end: Endpoint, jumps: JumpHosts) -> Connection:
    """Log in. Raises HostKeyError, MachineError (no key is accepted), or what SSH says:
    OSError, EOFError or paramiko.SSHException."""
    # First of all: while the keys are read here, sshd there starts what it starts for each login.
    link = _dial(end, jumps)
    try:
        known, keys = host_keys.lookup(end), Keys(end)
    except BaseException:
        link.close()
        raise
    connection = Connection(
        end.host,
        user=end.user,
        port=end.port,
        # What Fabric would read by itself, `ssh -G` has reported already, or VMs must not depend on.
        config=Config(overrides={"load_ssh_configs": False}),
        connect_timeout=CONNECT_LIMIT,
        connect_kwargs={
            "sock": link,
            "auth_strategy": keys,
            "transport_factory": host_keys.preferring(known),
            "banner_timeout": end.answer,
            "auth_timeout": end.answer,
        },
    )
    connection.client.set_missing_host_key_policy(host_keys.Judge(end, known))
    try:
        connection.open()
    except BaseException as error:
        connection.client.close()
        if isinstance(error, AuthFailure):
            raise _not_let_in(end, keys, error) from error
        raise
    # A machine that dies without a word is noticed, also through a jump host.
    connection.client.get_transport().set_keepalive(15)
    return connection


def transport_of(connection: Connection) -> Transport:
    """The transport beneath a connection that `open_connection` has made."""
    transport: Transport = connection.client.get_transport()
    return transport


def _dial(end: Endpoint, jumps: JumpHosts) -> Any:
    """A socket, or what behaves like one, to the endpoint's SSH port."""
    if end.jump:
        try:
            return jumps.transport(end.jump).open_channel(
                "direct-tcpip", (end.host, end.port), ("", 0), timeout=CONNECT_LIMIT
            )
        except (OSError, EOFError, paramiko.SSHException) as error:
            said = str(error) or type(error).__name__
            raise paramiko.SSHException(f"through the jump host {end.jump}: {said}") from error
    if end.proxy_command:
        return _through(end.proxy_command)
    link = socket.create_connection((end.host, end.port), CONNECT_LIMIT)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
    return link


def _through(command: str) -> socket.socket:
    """A command of the user's own settings whose input and output are the connection.

    Run by a shell, as ssh does it. It ends by itself when the connection is closed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            start_new_session=True,
        )
    # Collected when it ends, so that none is left as a zombie.
    threading.Thread(target=process.wait, daemon=True, name="proxy command").start()
    return ours


def _not_let_in(end: Endpoint, keys: Keys, failure: AuthFailure) -> Exception:
    for attempt in failure.result:
        if not isinstance(attempt.result, paramiko.AuthenticationException) and isinstance(
            attempt.result, OSError | EOFError | paramiko.SSHException
        ):
            # The connection was lost on the way, which says nothing of the key.
            return attempt.result
    tried = [str(file) for file in end.keys if file not in keys.locked]
    words = f"the key {', '.join(tried)}" if tried else "any key"
    if end.agent:
        words += " nor one of the agent's"
    advice = f"Try it by hand: {' '.join(('ssh', *end.client))}" if end.client else ""
    if keys.locked:
        advice = f"{keys.locked[0]} has a passphrase; give it to your agent: ssh-add"
    return MachineError(f"SSH to {end} does not accept {words}.", advice)
