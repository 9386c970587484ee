"""The verb learn: an exercise and the machines' terminals on a page in the browser."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from provision.lab.load import load_lab
from provision.lab.model import Lab
from provision.machine.machine import Machine
from provision.machine.running_lab import OpenLab
from provision.support import terminal
from provision.support.errors import SwarmrigError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress
from scenarios.cli import learn as learning
from scenarios.cli.browsing import browsing
from scenarios.kit import discovery, requires
from scenarios.kit.scenario import Scenario
from scenarios.page import security, server
from scenarios.page.news import Board
from scenarios.page.session import Deeds, Session
from scenarios.page.terminals import Terminals


@dataclass(frozen=True)
class Handed:
    """What scenarios are handed of the lab's verbs."""

    viewed: OpenLab
    opened: OpenLab
    up: Callable[[str], None]
    restore: Callable[[Lab, Progress], str]
    rebuild: Callable[[Lab, Progress], object]


def learn(handed: Handed, lab_file: str, name: str, port: int = 0, browse: bool = True) -> None:
    """Serve the page until Ctrl-C. The lab is brought up first where it is not."""
    lab, scenario = load_lab(lab_file), discovery.get(name)
    requires.refuse(name, scenario.needs, requires.given_by(lab))
    with contextlib.closing(server.listening(port)) as listener:
        _bring_up(handed, lab, lab_file)
        if why := _cannot(handed, lab, scenario):
            terminal.say(f"SKIPPED: {why}")
            return
        page = Page(handed, lab, scenario, listener.getsockname()[1])
        terminal.say(f"The page: {page.address}\nCtrl-C ends it.")
        opened = browsing(page.address, lab.state) if browse else contextlib.nullcontext()
        with page, opened, contextlib.suppress(KeyboardInterrupt):
            page.server.run([listener])
    terminal.say("The page has ended. The lab is still up; inv destroy removes it.")


def _cannot(handed: Handed, lab: Lab, scenario: Scenario) -> str:
    """Why the exercise cannot be done on this lab; "" where it can."""
    with handed.viewed(lab, "learn") as running:
        setup = learning.setup_on(running)
        return "; ".join(setup.missing(scenario, setup.infos()))


class Page:
    """The parts of the page; terminals and looking end with the block."""

    def __init__(self, handed: Handed, lab: Lab, scenario: Scenario, port: int) -> None:
        token = security.new_token()
        self.address = f"http://127.0.0.1:{port}/?token={token}"
        self._lines = _Lines(handed.viewed, lab)
        self.board = Board()
        self._terminals = Terminals(self._lines.names, self._lines.reach)
        self.board.put("machines", self._lines.names)
        deeds = Deeds(
            handed.viewed,
            handed.opened,
            handed.restore,
            handed.rebuild,
            learning.exercise_on,
            learning.report,
            self._lines.renew,
            self._terminals.typed,
        )
        self.session = Session(lab, scenario, deeds, self.board)
        session = self.session
        app = server.application(self.board, self._terminals, session.do, session.pcap, token, port)
        self.server = server.server(app)

    def __enter__(self) -> None:
        self.session.start()

    def __exit__(self, *_: object) -> None:
        self._terminals.close()
        self._lines.close()
        self.session.close()


def _bring_up(handed: Handed, lab: Lab, lab_file: str) -> None:
    """Create the lab, or resume creating it, unless all its machines answer."""
    try:
        with handed.viewed(lab, "learn") as running:
            run_on_all("logging in", running.machines.values(), lambda m: m.connect(patience=0))
    except SwarmrigError:
        handed.up(lab_file)


class _Lines:
    """The connections that terminals use: one to each machine, apart from those that look."""

    def __init__(self, viewed: OpenLab, lab: Lab) -> None:
        self._viewed, self._lab = viewed, lab
        self._lock = threading.Lock()
        self._open = contextlib.ExitStack()
        self._machines: dict[str, Machine] | None = None
        self.names = list(self._now())

    def reach(self, name: str) -> Machine:
        """The machine as it is reached now. Raises SwarmrigError where the lab is not up."""
        return self._now()[name]

    def _now(self) -> dict[str, Machine]:
        with self._lock:
            if self._machines is None:
                running = self._open.enter_context(self._viewed(self._lab, "learn"))
                self._machines = running.machines
            return self._machines

    def renew(self) -> None:
        """The machines have been set back, or are others: log in again."""
        with self._lock:
            self._machines = None
            self._open.close()

    def close(self) -> None:
        self.renew()
