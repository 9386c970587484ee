"""Watches a service while it starts: a task that fails is reported with its own error.

`docker service create` does not end while its tasks keep failing (40 minutes, with a missing
AppArmor parser). The tasks' own errors are in the Engine API within seconds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provision.machine.machine import Machine, Result

if TYPE_CHECKING:
    from paramiko import Channel

# Swarm restarts a failed task after 5 s; one that runs by then had a passing problem.
GRACE = 8.0
_POLL = 0.5


def tasks_of(manager: Machine, service: str) -> list[dict[str, Any]]:
    """The tasks of a service as the Engine API gives them, newest last; empty before it exists."""
    api: Any = manager.docker.api
    found: list[dict[str, Any]] = api.tasks(filters={"service": service})
    return sorted(found, key=lambda task: str(task["CreatedAt"]))


def trouble(tasks: list[dict[str, Any]]) -> str:
    """The newest task error there is, in one line; "" where a task runs or nothing has failed."""
    if any(task["Status"]["State"] == "running" for task in tasks):
        return ""
    for task in reversed(tasks):
        if error := task["Status"].get("Err"):
            node = task.get("NodeID", "no node")
            return f"task {task['ID'][:12]} ({task['Status']['State']}, node {node[:12]}): {error}"
    return ""


def progress(tasks: list[dict[str, Any]], service: str) -> str:
    """Where the newest task stands ("preparing", "running", …); "" before there is one."""
    return f"         {service}: {tasks[-1]['Status']['State']}" if tasks else ""


def run_watched(
    machine: Machine,
    command: str,
    service: str,
    tell: Callable[[str], None],
    limit: float = 300,
    said: Callable[[str], None] | None = None,
) -> tuple[Result, str]:
    """Run a command that waits for `service` to converge, and watch the service meanwhile.

    Returns the command's result and the error that ended the wait, "" where it converged. Each new
    state of the newest task is passed to `tell`, a failing task at once with its error, which ends
    the wait when the task has not recovered within `GRACE` seconds; `limit` (seconds) ends it in
    any case. What the command has printed so far is passed to `said` while it runs.
    """
    begin = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    watch = _Watch(machine, service, tell, limit)
    output = _Output()
    code: int | None = None
    with machine.stream(command) as channel:
        while not watch.over():
            output.read(channel)
            if said and output.out:
                said(_text(output.out))
            if channel.exit_status_ready() and not channel.recv_ready():
                output.read_rest(channel)
                code = channel.recv_exit_status()
                break
            watch.look()
            if not watch.over():
                channel.status_event.wait(_POLL)
    if said:
        said(_text(output.out))
    seconds = time.monotonic() - begin
    result = Result(
        machine.name, command, _text(output.out), _text(output.err), code, started, seconds
    )
    return result, watch.ended_by


def converges(
    machine: Machine, service: str, tell: Callable[[str], None], limit: float = 300
) -> str:
    """Wait for a service without the command that has created it.

    Returns the error that ended the wait, as `run_watched` does; "" where as many tasks run as are
    to run.
    """
    watch = _Watch(machine, service, tell, limit)
    while not watch.over():
        if _converged(machine, service):
            return ""
        watch.look()
        time.sleep(_POLL)
    return watch.ended_by


def _converged(machine: Machine, service: str) -> bool:
    wanted = [t for t in _tasks_or_none(machine, service) if t["DesiredState"] == "running"]
    api: Any = machine.docker.api
    with contextlib.suppress(Exception):
        mode = api.inspect_service(service)["Spec"]["Mode"]
        count = mode.get("Replicated", {}).get("Replicas", len(wanted) or 1)
        return len(wanted) == count and all(t["Status"]["State"] == "running" for t in wanted)
    return False


@dataclass
class _Output:
    """What a command has printed so far."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def read(self, channel: Channel) -> None:
        """What has arrived, without waiting for more."""
        while channel.recv_ready():
            self.out += channel.recv(65536)
        while channel.recv_stderr_ready():
            self.err += channel.recv_stderr(65536)

    def read_rest(self, channel: Channel) -> None:
        """The rest, when the command has ended."""
        while chunk := channel.recv(65536):
            self.out += chunk
        while chunk := channel.recv_stderr(65536):
            self.err += chunk


class _Watch:
    """A service's tasks while it starts: new states are reported, and a failing task ends it."""

    def __init__(
        self, machine: Machine, service: str, tell: Callable[[str], None], limit: float
    ) -> None:
        self.machine, self.service, self.tell = machine, service, tell
        self.limit = limit
        self.ended_by = ""
        self._begin = time.monotonic()
        self._failing_since: float | None = None
        self._reported: set[str] = set()

    def over(self) -> bool:
        return bool(self.ended_by)

    def look(self) -> None:
        now = time.monotonic()
        tasks = _tasks_or_none(self.machine, self.service)
        error = trouble(tasks)
        self._report(progress(tasks, self.service))
        self._report(error)
        self._failing_since = (self._failing_since or now) if error else None
        if self._failing_since is not None and now - self._failing_since >= GRACE:
            self.ended_by = error
        elif now - self._begin >= self.limit:
            self.ended_by = error or f"not converged within {self.limit:.0f} s"

    def _report(self, line: str) -> None:
        if line and line not in self._reported:
            self._reported.add(line)
            self.tell(line)


def _tasks_or_none(machine: Machine, service: str) -> list[dict[str, Any]]:
    # Before the service exists, and while the daemon is busy, there is nothing to report.
    with contextlib.suppress(Exception):
        return tasks_of(machine, service)
    return []


def _text(raw: bytearray) -> str:
    """The output as a person would have seen it in the end: progress redraws overwrite lines."""
    lines = raw.decode(errors="replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rsplit("\r", 1)[-1] for line in lines)
