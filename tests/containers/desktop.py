"""An engine that plays Docker Desktop: it is in a network of its own, as in a virtual machine.

Its users reach no container's address, only published ports, which are passed on from their own
loopback as long as a container publishes them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading

from tests.containers.outer import Outer
from tests.hosts.light_hosts import network_of

_PAUSE = 0.1  # seconds between two looks at what is published


class Desktop(Outer):
    """Commands run in the fabric's network, from which no route leads to any container."""

    def __init__(self, release: str) -> None:
        super().__init__(release)
        self._over = threading.Event()
        self._calls: queue.Queue[tuple[int, queue.Queue[socket.socket | None]]] = queue.Queue()
        self._open: dict[int, socket.socket] = {}
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._connect, self._publish)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def network(self) -> str:
        return self.fabric.first

    def _published(self) -> set[int]:
        ids = self.run(["docker", "ps", "--quiet"]).stdout.split()
        if not ids:
            return set()
        said = json.loads(self.run(["docker", "inspect", *ids]).stdout or "[]")
        return {
            int(bound["HostPort"])
            for one in said
            for binds in one["NetworkSettings"]["Ports"].values()
            for bound in binds or []
            if bound["HostIp"] == "127.0.0.1"
        }

    def _publish(self) -> None:
        """Listen, on the loopback of the users, on every port that is published now."""
        with network_of(self.fabric.first):
            while not self._over.wait(_PAUSE):
                ports = self._published()
                for port in ports - self._open.keys():
                    self._open[port] = socket.create_server(("127.0.0.1", port))
                    threading.Thread(target=self._accept, args=(port,), daemon=True).start()
                for port in self._open.keys() - ports:
                    _shut(self._open.pop(port))
        for one in self._open.values():
            _shut(one)

    def _accept(self, port: int) -> None:
        listening = self._open[port]
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                answer: queue.Queue[socket.socket | None] = queue.Queue()
                self._calls.put((port, answer))
                server = answer.get()
                if server is None:
                    client.close()
                    continue
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()

    def _connect(self) -> None:
        """Make the other half of each connection, in the engine's own network."""
        with network_of(self.host.first):
            while not self._over.is_set():
                with contextlib.suppress(queue.Empty):
                    port, answer = self._calls.get(timeout=_PAUSE)
                    try:
                        answer.put(socket.create_connection(("127.0.0.1", port)))
                    except OSError:
                        answer.put(None)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        super().close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
