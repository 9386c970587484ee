"""The page's server on a free port, with terminals that nobody has to log in for."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from websockets.sync.client import ClientConnection, connect

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from scenarios.page import server
from scenarios.page.news import Board
from scenarios.page.terminals import Terminals

TOKEN = "the-token"  # noqa: S105 - of a server of the tests


def unreachable(name: str) -> Machine:
    raise MachineError(f"{name}: nobody is there")


@dataclass
class Site:
    """A page that is served, and who asks it. Headers that are None are left out."""

    port: int
    board: Board
    terminals: Terminals
    done: list[tuple[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cookie(self) -> str:
        return f"swarmrig-{self.port}={TOKEN}"

    def ask(
        self, path: str = "/", method: str = "GET", **headers: str | None
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer to a request as the page's own browser sends it."""
        given = {"Host": self.host, "Cookie": self.cookie, **_named(headers)}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()

    def socket(self, path: str = "/live", **headers: str | None) -> ClientConnection:
        """A WebSocket as the page opens it. Raises InvalidStatus where it is refused."""
        given = {"Origin": f"http://{self.host}", "Cookie": self.cookie, **_named(headers)}
        return connect(
            f"ws://{self.host}{path}",
            additional_headers={name: one for name, one in given.items() if one is not None},
            proxy=None,
        )


def _named(headers: dict[str, Any]) -> dict[str, str | None]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


@contextlib.contextmanager
def served(at: int = 0) -> Iterator[Site]:
    with contextlib.closing(server.listening(at)) as listener:
        port = listener.getsockname()[1]
        terminals = Terminals(["machine1", "machine2"], unreachable)
        site = Site(port, Board(), terminals)

        def do(what: str, step: str) -> None:
            site.done.append((what, step))

        app = server.application(site.board, terminals, do, lambda: b"packets", TOKEN, port)
        serving = server.server(app)
        thread = threading.Thread(target=serving.run, args=[[listener]])
        thread.start()
        try:
            yield site
        finally:
            terminals.close()
            serving.should_exit = True
            thread.join()
