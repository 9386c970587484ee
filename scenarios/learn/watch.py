"""Looking again whenever an engine reports that something has happened.

Source: https://docs.docker.com/reference/cli/docker/system/events/
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import paramiko

from provision.machine.machine import Machine
from provision.support.errors import SwarmrigError
from scenarios.kit.scenario import StepPlan
from scenarios.learn.look import Exercise, Look

# Not those of `docker exec`: the judges' own pings would call for the next look.
_ACTIONS = (
    "create",
    "connect",
    "destroy",
    "die",
    "disable",
    "disconnect",
    "enable",
    "pull",
    "remove",
    "rename",
    "start",
    "tag",
    "update",
)
_TYPES = ("container", "image", "network", "node", "plugin", "service")
_EVENTS = "docker events --format '{{.Type}} {{.Action}}' " + " ".join(
    [f"--filter type={kind}" for kind in _TYPES] + [f"--filter event={one}" for one in _ACTIONS]
)
_OVER = b"over\n"
# It ends with its input, when nobody listens any more; and says so when the engine has gone.
COMMAND = (
    f"{_EVENTS} & e=$!; {{ tail --pid=$e -f /dev/null; echo over; }} & cat >/dev/null; kill $e"
)
# A container's start is known to the swarm's manager a moment after its engine reports it.
_AGAIN = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)
_SELDOM = 15.0  # seconds: what no engine reports (a machine that is gone) is seen as well


class Events:
    """The events of several engines while the block runs; `wait` returns at the next one.

    Others may set `news` as well, to be waited for no longer.
    """

    def __init__(self, machines: list[Machine], news: threading.Event | None = None) -> None:
        self._news = news or threading.Event()
        self._over = threading.Event()
        self._ready = threading.Barrier(len(machines) + 1)
        self._threads = [
            threading.Thread(target=self._listen, args=[machine], daemon=True)
            for machine in machines
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def wait(self, seconds: float) -> bool:
        """Wait for an event, for at most so long; whether one came since the last call."""
        came = self._news.wait(seconds)
        self._news.clear()
        return came

    def _listen(self, machine: Machine) -> None:
        first = True
        while not self._over.is_set():
            lost = (SwarmrigError, OSError, EOFError, paramiko.SSHException)
            command = machine.as_root(COMMAND)
            with contextlib.suppress(*lost), machine.stream(command) as channel:
                channel.settimeout(0.5)
                if first:
                    first = False
                    self._ready.wait()
                self._hear(channel)
            if first:
                first = False
                self._ready.wait()
            # The machine, or its engine, has gone: that is news, too.
            self._news.set()
            self._over.wait(1.0)

    def _hear(self, channel: paramiko.Channel) -> None:
        while not self._over.is_set():
            try:
                heard = channel.recv(65536)
            except TimeoutError:
                continue
            self._news.set()
            if not heard or heard.endswith(_OVER):
                return


def looks(
    exercise: Exercise,
    failed: Callable[[SwarmrigError], None],
    news: threading.Event | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Look]:
    """Looks at the exercise, one at each event and shortly after it, until all steps are done.

    They end as well where none is `wanted` any more, which is asked when `news` is set. An open
    probe is tried once after each event. An engine that does not answer is passed to `failed`, and
    asked again.
    """
    tried: set[str] = set()

    def try_probe(plan: StepPlan) -> bool:
        new = plan.number not in tried
        tried.add(plan.number)
        return new

    pauses = iter(_AGAIN)
    with Events(list(exercise.machines.values()), news) as events:
        while wanted():
            try:
                look = exercise.look(try_probe)
            except SwarmrigError as error:
                failed(error)
            else:
                yield look
                if look.done == len(look.steps):
                    return
            if events.wait(next(pauses, _SELDOM)):
                tried.clear()
                pauses = iter(_AGAIN)
