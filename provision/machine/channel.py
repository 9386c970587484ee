"""An SSH channel as the socket that Python's HTTP client expects.

A socket stays open until the last file made of it is closed. http.client relies on that: where an
answer ends its connection, it closes the socket as soon as it has read the head, and reads the
body from a file. A channel closes at once, and what of the body has not arrived yet is lost.
Source: https://docs.python.org/3/library/socket.html#socket.socket.close
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import paramiko

if TYPE_CHECKING:
    from typing_extensions import Buffer


class ChannelSocket:
    """A channel that closes when it was closed and the last file made of it is closed too."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._files = 0
        self._let_go = False

    @property
    def closed(self) -> bool:
        """Whether no answer can come any more: it was closed here, or the other end has ended it.

        Where the engine has ended, sshd passes on the end of its output, and closes nothing until
        we do.
        """
        return self._let_go or bool(self._channel.closed or self._channel.eof_received)

    def settimeout(self, seconds: float | None) -> None:
        self._channel.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        self._channel.sendall(data)

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """A file to read from; there is none to write to. Raises ValueError for another mode."""
        if mode != "rb":
            raise ValueError(f"a channel's file is read, in mode rb: {mode}")
        self._files += 1
        size = buffering if buffering > 0 else io.DEFAULT_BUFFER_SIZE
        return io.BufferedReader(_Received(self._channel, self._file_closed), size)

    def close(self) -> None:
        self._let_go = True
        if self._files == 0:
            self._channel.close()

    def _file_closed(self) -> None:
        self._files -= 1
        if self._let_go and self._files == 0:
            self._channel.close()


class _Received(io.RawIOBase):
    """What a channel receives, read as from a file."""

    def __init__(self, channel: paramiko.Channel, closed: Callable[[], None]) -> None:
        super().__init__()
        self._channel = channel
        self._on_close = closed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        room = memoryview(buffer).cast("B")
        received = self._channel.recv(len(room))
        room[: len(received)] = received
        return len(received)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._on_close()
