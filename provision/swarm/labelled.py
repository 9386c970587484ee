"""Containers and networks that carry a label of the lab's own, and their removal by that label.

A measurement gives all that it makes a label whose value is drawn again each time. What others have
made does not carry it, whatever its name, so that it can be removed on existing hosts as well: also
by the machine itself, when the connection ends because the measurement was killed.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from paramiko import Channel

from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.swarm import members

LABEL = "swarmrig.measure"
_ENDS = 120.0  # seconds; a network goes when the last container in it has gone
_READY = b"ready\n"


def removal(value: str, manager: bool) -> str:
    """Shell text that removes what carries the label; `value` "" stands for any.

    A network of the swarm's is removed on a manager alone. A container that was just being made
    when the measurement was killed comes a moment later: twice nothing has to be there.
    """
    label = f"--filter label={shlex.quote(f'{LABEL}={value}' if value else LABEL)}"
    scope = "" if manager else " --filter scope=local"
    return f"""
n=0 empty=0
while [ $n -lt {_ENDS:.0f} ] && [ $empty -lt 2 ]; do
  containers=$(docker ps -aq {label}) || exit 1
  networks=$(docker network ls -q {label}{scope}) || exit 1
  [ -z "$containers" ] || docker rm -f $containers
  [ -z "$networks" ] || docker network rm $networks
  if [ -z "$containers$networks" ]; then empty=$((empty + 1)); else empty=0; fi
  n=$((n + 1)); sleep 1
done
[ $empty -eq 2 ]
"""


def left(machine: Machine, value: str = "") -> list[str]:
    """What carries the label on a machine, in words."""
    filters: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={value}" if value else LABEL}
    client = machine.docker
    containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
    return [f"container {one.name} on {machine.name}" for one in containers] + [
        f"network {one.name} on {machine.name}" for one in client.networks.list(filters=filters)
    ]


def remove(machine: Machine, value: str, manager: bool) -> None:
    """Remove what carries the label. Raises MachineError where it does not go."""
    done = machine.run(removal(value, manager), 2 * _ENDS, sudo=True)
    if not done.ok:
        there = ", ".join(left(machine, value))
        raise MachineError(f"{machine.name}: {there or 'nothing'} does not go: {done.last_words}")


@contextlib.contextmanager
def kept(machine: Machine, value: str, manager: bool) -> Iterator[None]:
    """What is made in the block with the label goes with it, however the block ends.

    The machine waits for the end of our connection, and removes it then: that comes with the
    block, with an error, and when this process is killed.
    """
    script = f"echo ready; cat >/dev/null; exec >/dev/null 2>&1; {removal(value, manager)}"
    with machine.stream(machine.as_root(script)) as channel:
        _wait_ready(machine, channel)
        try:
            yield
        finally:
            channel.shutdown_write()
            channel.settimeout(2 * _ENDS)
            with contextlib.suppress(TimeoutError):
                while channel.recv(4096):
                    pass
            channel.status_event.wait(2 * _ENDS)


def _wait_ready(machine: Machine, channel: Channel) -> None:
    channel.settimeout(60)
    said = b""
    with contextlib.suppress(TimeoutError):
        while not said.endswith(_READY) and (chunk := channel.recv(4096)):
            said += chunk
    if not said.endswith(_READY):
        why = channel.recv_stderr(4096).decode(errors="replace") if channel.closed else ""
        raise MachineError(f"{machine.name}: its shell does not answer: {why.strip() or said!r}")


def undo(machine: Machine, journal: Journal, outcome: Outcome) -> None:
    """Remove what a measurement has left on an existing host, by the journal."""
    entries = [entry for entry in journal.of(machine.name) if entry.kind == "measure"]
    for entry in entries:
        (value,) = entry.items
        there = left(machine, value)
        remove(machine, value, members.member(machine).manager)
        outcome.removed += there
        journal.forget(machine.name, entry)
