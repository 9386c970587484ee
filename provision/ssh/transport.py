"""An SSH connection that also reaches Unix sockets at its other end.

Paramiko opens channels to TCP ports there, and none to sockets (paramiko issue 544). OpenSSH has
them since 6.7, as the channel type "direct-streamlocal@openssh.com".
Source: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL, section 2.4
"""

from __future__ import annotations

import logging
import threading

import paramiko

# Without a handler Python prints a library's errors to the terminal, in the middle of what we say.
# All that this one logs as an error is raised as well, and reported by the caller.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_KIND = "direct-streamlocal@openssh.com"


class Transport(paramiko.Transport):
    """Paramiko's transport, with `open_socket`."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self._wanted = threading.local()

    def open_socket(self, path: str, timeout: float | None = None) -> paramiko.Channel:
        """A channel to the Unix socket at `path` there, opened with the login's own rights.

        Raises paramiko.ChannelException where sshd refuses (AllowStreamLocalForwarding, a key's
        restrictions) or the socket does (nobody listens, no right to it); SSHException where the
        connection is lost or does not answer within `timeout` seconds.
        """
        self._wanted.path = path
        try:
            return self.open_channel(_KIND, timeout=timeout)
        finally:
            self._wanted.path = None

    def _send_user_message(self, data: paramiko.Message) -> None:
        # `open_channel` sends one message, in the thread that asks for the channel, and for a type
        # that it does not know ends it before the type's own fields: they are these three.
        if path := getattr(self._wanted, "path", None):
            self._wanted.path = None
            data.add_string(path)
            data.add_string("")
            data.add_int(0)
        super()._send_user_message(data)  # type: ignore[misc]
