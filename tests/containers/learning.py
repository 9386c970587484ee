"""`inv learn` on a lab of containers, and a browser's WebSockets without a browser."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from provision.providers.vagrant.runner import heeding_interrupts
from tests.containers.outer import CLONE, INV, Lab
from tests.hosts.light_hosts import network_of

_PATIENCE = 900.0  # seconds: a lab is created again meanwhile


@dataclass
class Board:
    """What the page is told, the newest of each kind; `work` is all that it was told of that."""

    line: ClientConnection
    news: dict[str, Any] = field(default_factory=dict)
    work: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, what: str, step: str = "") -> None:
        self.work.clear()
        self.line.send(json.dumps({"do": what, "step": step}))

    def until(self, so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Hear until it is so."""
        while not so(self.news):
            heard = json.loads(self.line.recv(timeout=_PATIENCE))
            assert "refused" not in heard, heard
            self.news.update(heard)
            self.work += [heard["work"]] if "work" in heard else []
        return self.news

    def finished(self) -> list[dict[str, str]]:
        """Wait until what was asked for is done, without an error; its lines."""
        self.until(lambda _: self.work and self.work[-1]["over"])
        assert self.work[-1]["error"] is None, self.work[-1]
        lines: list[dict[str, str]] = self.work[-1]["lines"]
        return lines

    def done(self) -> list[str]:
        """The steps that are green."""
        return [one["number"] for one in self.news["look"]["steps"] if one["state"] == "done"]


@dataclass
class Typing:
    """A terminal of the page."""

    line: ClientConnection
    printed: str = ""
    state: str = ""

    def types(self, command: str) -> None:
        self.line.send(command.encode() + b"\r")

    def ready(self) -> None:
        """Wait until the shell answers: what is typed without a connection goes nowhere."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            self.printed = ""
            self.types("echo ready-$((40+2))")
            with contextlib.suppress(TimeoutError):
                return self.until(lambda it: "ready-42" in it.printed, 10)
        raise TimeoutError("the terminal does not answer")

    def until(self, so: Callable[[Typing], object], patience: float = _PATIENCE) -> None:
        end = time.monotonic() + patience
        while not so(self):
            heard = self.line.recv(timeout=max(end - time.monotonic(), 0))
            if isinstance(heard, bytes):
                self.printed += heard.decode(errors="replace")
            else:
                self.state = json.loads(heard).get("state", self.state)


@dataclass(frozen=True)
class Page:
    host: str
    cookie: str

    @contextlib.contextmanager
    def _line(self, path: str) -> Iterator[ClientConnection]:
        headers = {"Origin": f"http://{self.host}", "Cookie": self.cookie}
        at = f"ws://{self.host}{path}"
        with connect(at, additional_headers=headers, proxy=None, max_size=None) as line:
            yield line

    @contextlib.contextmanager
    def board(self) -> Iterator[Board]:
        with self._line("/live") as line:
            yield Board(line)

    @contextlib.contextmanager
    def terminal(self, machine: str) -> Iterator[Typing]:
        with self._line(f"/terminal?machine={machine}&number=1") as line:
            yield Typing(line)


@contextlib.contextmanager
def learning(lab: Lab, scenario: str) -> Iterator[Page]:
    """`inv learn` of a scenario; this thread is in the engine's network. It ends at Ctrl-C."""
    with heeding_interrupts():
        verb = subprocess.Popen(
            lab.outer.command([INV, "learn", scenario, "--no-open"]),
            cwd=CLONE,
            env=lab.outer.environment(SWARMRIG_LAB=str(lab.file)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert verb.stdout is not None
    with verb.stdout, network_of(lab.outer.network):
        try:
            found = re.search(r"http://(127\.0\.0\.1:\d+)/\?token=\S+", verb.stdout.readline())
            assert found
            with requests.Session() as browser:
                browser.trust_env = False
                cookies = browser.get(found[0], timeout=60).cookies
            ((name, value),) = cookies.items()
            yield Page(found[1], f"{name}={value}")
        finally:
            verb.send_signal(signal.SIGINT)
            said = verb.stdout.read()
            assert verb.wait(120) == 0, said
    assert "The page has ended. The lab is still up" in said
