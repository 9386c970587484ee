"""The topology as it is now, and the packets that cross the underlay: for the board."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import asdict

from scenarios.evidence.encapsulation import vxlan
from scenarios.evidence.live import Live, Row
from scenarios.evidence.pcap import written
from scenarios.learn import topology
from scenarios.learn.look import Exercise, Look
from scenarios.page.news import Board
from scenarios.report.topology import narrow_of

_SHOWN = 100  # rows
_PAUSE = 0.3  # seconds between two notes: a flood is not read by people


class Wire:
    """What is noted of one exercise, from the first `show` to `close`, again and again."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._live: Live | None = None
        self._open = contextlib.ExitStack()
        self._over = threading.Event()
        self._teller: threading.Thread | None = None

    def show(self, exercise: Exercise, look: Look) -> None:
        """Draw the topology of a look; captures begin with the first one."""
        made = topology.made_by(exercise, look)
        hosts = exercise.record.topology.hosts
        shown = topology.now(look.world, hosts, exercise.plugin, made)
        self._board.put("picture", asdict(narrow_of(shown)))
        names = topology.names(look.world, exercise.plugin)
        if self._live is None:
            hows = [vxlan(look.context.data_path_port)]
            hows += [exercise.plugin.how] if exercise.plugin else []
            live = Live(exercise.setup.ordered, hows, names, foreign=False)
            self._live = self._open.enter_context(live)
            self._over.clear()
            self._teller = threading.Thread(target=self._tell, args=[live], daemon=True)
            self._teller.start()
        self._live.networks = names

    def pcap(self) -> bytes:
        """The packets that are kept; none before the first look."""
        return self._live.pcap() if self._live else written([])

    def close(self) -> None:
        self._over.set()
        self._open.close()
        self._live = None
        if self._teller:
            self._teller.join()

    def _tell(self, live: Live) -> None:
        number = 0
        rows: list[Row] = []
        while not self._over.wait(_PAUSE):
            if came := live.since(number, 1):
                number, rows = came[-1].number, [*rows, *came][-_SHOWN:]
            seen = [
                {"machine": one.machine, "error": one.error, "missed": one.missed}
                for one in live.seen()
            ]
            self._board.put("packets", {"rows": [asdict(row) for row in rows], "seen": seen})
