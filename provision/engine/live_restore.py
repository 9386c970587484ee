"""live-restore: a setting that a swarm does not go together with, found before anything is changed.

Docker refuses `swarm init` and `swarm join` where it is on, and an engine in a swarm does not start
with it. Fedora's package of the engine turns it on.
Source: https://docs.docker.com/engine/daemon/live-restore/#live-restore-and-swarm-mode
"""

from __future__ import annotations

from provision.engine import paths
from provision.engine.facts import UNKNOWN, Facts
from provision.support.errors import MachineError

# What turns it off in the options of an engine that was installed just now.
TURN_OFF = (
    f"[ ! -e {paths.OPTIONS} ] || sed -E -i 's/ *--live-restore(=[a-z]+)?//g' {paths.OPTIONS}"
)


def check(machine: str, seen: Facts) -> None:
    """Raises MachineError where it is on: which file, which key, what to do."""
    if not seen.live_restore:
        return
    files = seen.live_restore.split()
    if files == [UNKNOWN]:
        where, advice = "", "Find it with `systemctl cat docker` and take it out"
    else:
        where = f" ({', '.join(_key(file) for file in files)})"
        advice = f"Take {'it' if len(files) == 1 else 'them'} out there"
    raise MachineError(
        f"{machine}: its Docker has live-restore on{where}, and Docker refuses a swarm with it.",
        f"{advice}, then: sudo systemctl daemon-reload; sudo systemctl restart docker",
    )


def _key(file: str) -> str:
    if file.endswith(".json"):
        return f'"live-restore" in {file}'
    return f"--live-restore in {'OPTIONS of ' if file == paths.OPTIONS else ''}{file}"
