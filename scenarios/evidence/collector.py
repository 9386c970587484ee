"""Collects a time line: what looks at engines, swarm and pings, and their common end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from provision.machine.machine import Machine
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.looks import EngineLooker, Looker, ManagerLooker, Swarm
from scenarios.evidence.pinging import Ping, Pinger

PAUSE = 0.5
_ENDING = 15.0  # seconds for a thread to end; one more is then left to end by itself
_FIRST = 60.0  # seconds for the first looks


class Collector:
    """Looks from the begin of the block to its end, beside whatever is done there.

    The block begins when everything has been looked at once, so that what changes in it has a
    before. Each machine is asked over a connection of its own: one that hangs, or that a fault
    cuts, is not the step's. Nothing runs on a machine after the block, nor if this process dies.
    """

    def __init__(
        self,
        machines: Sequence[Machine],
        lanes: Lanes,
        limit: float,
        pause: float,
        swarm: Callable[[threading.Event], Swarm],
        pings: Sequence[Ping] = (),
    ) -> None:
        """`swarm` makes what the managers' answers go to, of the event that ends it."""
        self.lanes = lanes
        self._stop = threading.Event()
        self._machines = [machine.apart() for machine in machines]
        own = {machine.name: machine for machine in self._machines}
        made = swarm(self._stop)
        self._lookers: list[Looker] = []
        for machine in self._machines:
            self._lookers.append(EngineLooker(machine, limit, lanes, pause, self._stop))
            self._lookers.append(ManagerLooker(machine, made, limit, pause))
        for ping in pings:
            at = Ping(ping.subject, own[ping.machine.name], ping.address, ping.container, ping.pid)
            self._lookers.append(Pinger(at, limit, lanes, pause, self._stop))

    def __enter__(self) -> Self:
        for looker in self._lookers:
            looker.start()
        try:
            until = time.monotonic() + _FIRST
            for looker in self._lookers:
                if not looker.looked.wait(max(0.0, until - time.monotonic())):
                    self.lanes.note(f"{looker.name}: the first look took more than {_FIRST:g} s")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it: who waits for an answer no longer does."""
        self._stop.set()
        for machine in self._machines:
            with contextlib.suppress(Exception):
                machine.abandon()
        until = time.monotonic() + _ENDING
        for looker in self._lookers:
            looker.join(max(0.0, until - time.monotonic()))
