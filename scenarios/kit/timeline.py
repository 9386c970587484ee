"""A time line of a step: what is looked at meanwhile, by the exercise's own names.

    with step.timeline("web", pings=[("task1", "address2"), ("machine1", "machine2")]) as line:
        with step.fault(library.kill_daemon("machine2"), seconds=300):
            down = line.wait("node", "machine2", "down", patience=90)
            line.wait("task", "web", "running", on="machine1", patience=90, since=down)
        line.wait("node", "machine2", "ready", since=down)

The judge of the step, or of a later one, asks `step.line`, which has the same questions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import docker.errors

from provision.machine.machine import Machine
from scenarios.evidence.collector import PAUSE, Collector
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.looks import Swarm
from scenarios.evidence.pinging import Ping
from scenarios.kit.failed import StepFailed
from scenarios.record import model, timeline
from scenarios.record.timeline import Event, Gap

if TYPE_CHECKING:
    from scenarios.kit.step import Context

LIMIT = 5.0  # seconds, on a quick machine
_MOST_LIMIT = 30.0

Pair = tuple[str, str]


class Line:
    """A time line, asked by the names of the exercise; machines by their places or names."""

    def __init__(
        self,
        look: Callable[[], model.TimeLine],
        places: dict[str, str],
        lanes: Lanes | None = None,
        patience: Callable[[float], float] = float,
    ) -> None:
        self._look, self._places, self.lanes = look, places, lanes
        self._patience = patience

    @property
    def data(self) -> model.TimeLine:
        """The line as the record has it."""
        return self._look()

    def end(self) -> model.TimeLine:
        """Nothing is added any more; what the line is in the end."""
        ended = self._look()
        self._look, self.lanes = (lambda: ended), None
        return ended

    def wait(
        self,
        kind: model.LaneKind,
        subject: str | Pair,
        state: str,
        *,
        on: str = "",
        since: Event | None = None,
        patience: float = 60,
    ) -> Event:
        """Wait until something is seen in a state, at most `patience` seconds (of a quick machine).

        Raises StepFailed that says what was seen instead.
        """
        name, place = self._subject(subject), self._machine(on)

        def there(line: model.TimeLine) -> bool:
            return timeline.first(line, kind, name, state, place, since) is not None

        seconds = self._patience(patience)
        if self.lanes and not self.lanes.wait(there, seconds):
            raise StepFailed(
                f"{kind} {name}{f' on {place}' if place else ''} was not seen {state} within "
                f"{seconds:.0f} s; seen: {self._states(kind, name)}"
            )
        return self.get(kind, subject, state, on=on, since=since)

    def first(
        self,
        kind: model.LaneKind,
        subject: str | Pair,
        state: str,
        *,
        on: str = "",
        since: Event | None = None,
    ) -> Event | None:
        """The first time that something was seen in a state; None where it never was.

        With `since`: the first change to that state after that event.
        """
        return timeline.first(
            self.data, kind, self._subject(subject), state, self._machine(on), since
        )

    def get(
        self,
        kind: model.LaneKind,
        subject: str | Pair,
        state: str,
        *,
        on: str = "",
        since: Event | None = None,
    ) -> Event:
        """As `first`. Raises StepFailed where it never was."""
        found = self.first(kind, subject, state, on=on, since=since)
        if found is None:
            name = self._subject(subject)
            where = f" on {self._machine(on)}" if on else ""
            raise StepFailed(
                f"{kind} {name}{where} was never seen {state}; seen: {self._states(kind, name)}"
            )
        return found

    def states(self, kind: model.LaneKind, subject: str | Pair = "", on: str = "") -> list[str]:
        """The states in which something was seen, in that order."""
        found = timeline.events(
            self.data, kind, self._subject(subject) if subject else "", on=self._machine(on)
        )
        return [event.state for event in found]

    def fault(self, kind: str, state: str = "made") -> Event:
        """When a fault of that kind was made, or healed. Raises StepFailed."""
        return self.get("fault", kind, state)

    def gaps(self, source: str = "", target: str = "") -> list[Gap]:
        """The pings that were lost in a row, of one pair or of all."""
        return timeline.gaps(self.data, ping_name((source, target)) if source else "")

    def _states(self, kind: model.LaneKind, name: str) -> str:
        seen = (str(event) for event in timeline.events(self.data, kind, name))
        return "; ".join(seen) or "nothing"

    def _machine(self, name: str) -> str:
        return self._places.get(name, name)

    def _subject(self, subject: str | Pair) -> str:
        return ping_name(subject) if isinstance(subject, tuple) else self._machine(subject)


def ping_name(pair: Pair) -> str:
    """What the ping of a pair is called on the line."""
    return f"{pair[0]} to {pair[1]}"


@contextmanager
def collected(
    context: Context, step: str, services: Sequence[str], pings: Sequence[Pair]
) -> Iterator[Line]:
    """Collect a time line while the block runs; it is in the record however the block ends."""
    limit = min(context.patience(LIMIT), _MOST_LIMIT)
    lanes = Lanes(step, PAUSE, limit)
    machines = list(dict.fromkeys([*context.machines.values(), context.manager]))
    places = {place: machine.name for place, machine in context.machines.items()}
    names = _names_of_nodes(context)
    routes = [_ping(context, pair) for pair in pings]

    def swarm(stop: threading.Event) -> Swarm:
        return Swarm(lanes, stop, names.get, services, context.service_called)

    collector = Collector(machines, lanes, limit, PAUSE, swarm, routes)
    line = Line(lanes.line, places, lanes, context.patience)
    for number, made in enumerate(context.faults_made, start=1):
        if not made.end:
            lanes.saw("fault", made.kind, "made", 0, 0, id_=str(number), about=made.what)
    context.collecting.append(lanes)
    try:
        with collector:
            yield line
    finally:
        context.collecting.remove(lanes)
        context.timelines.append(line.end())


def _names_of_nodes(context: Context) -> dict[str, str]:
    """The lab's machines by the ids of their nodes, as the run found them when it began."""
    hosts = enumerate(context.topology.hosts, start=1)
    found = {context.names.get(f"node{number}", ""): host.name for number, host in hosts}
    found.pop("", None)
    return found


def _ping(context: Context, pair: Pair) -> Ping:
    """From a task or machine to an address: names that steps have remembered, or machines."""
    source, target = pair
    there = context.machines.get(target)
    address = there.address.split("/")[0] if there else context.names.get(target, target)
    if source in context.machines:
        return Ping(ping_name(pair), context.machines[source], address)
    container = context.names.get(source, source)
    for machine in context.machines.values():
        if _pid(machine, container):
            return Ping(ping_name(pair), machine, address, container, lambda m: _pid(m, container))
    raise StepFailed(f"no machine runs the task {container}, which was to ping {address}")


def _pid(machine: Machine, container: str) -> int:
    """The process of a container that runs; 0 where there is none."""
    with suppress(docker.errors.NotFound):
        return int(machine.docker.containers.get(container).attrs["State"]["Pid"])
    return 0
