"""Docker's daemon that is gone, or that stands still and answers nobody.

The tasks on the machine keep running. Only a daemon that systemd runs: nobody else can be told not
to start it again.
Sources: systemctl(1), https://docs.docker.com/engine/daemon/live-restore/ (what a stop does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import FOLDER, Fault, Part, Seen

UNITS = "docker.socket docker.service"
_PID = "systemctl show -p MainPID docker.service | cut -d= -f2"


def refusal_of(seen: Seen) -> str:
    """Why Docker's daemon cannot be stopped on a machine; "" where it can."""
    if not seen.docker:
        return "systemd does not run Docker's daemon on it"
    if seen.containers:
        # A swarm excludes live-restore, so that the daemon's next start ends what still runs.
        return (
            f"containers of others run on it, which stop with Docker's daemon: "
            f"{', '.join(seen.containers)}"
        )
    return ""


@dataclass(frozen=True)
class KillDaemon(Fault):
    """Docker's daemon is killed, as by a crash, and does not start again."""

    kind: ClassVar[str] = "kill-daemon"
    stops: ClassVar[bool] = True

    def words(self) -> str:
        return f"Docker's daemon on {self.on} is killed"

    def refusal(self, seen: Seen) -> str:
        return refusal_of(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        # Killed first: a stop would be an orderly end. The stop keeps systemd from starting it.
        make = f'pid=$({_PID})\n[ "$pid" = 0 ] || kill -9 "$pid"\nsystemctl stop {UNITS}'
        socket = f"{FOLDER}/{fault_id}.socket"
        before = f"if systemctl -q is-active docker.socket; then : > {socket}; fi"
        heal = (
            "systemctl reset-failed docker.service 2>/dev/null\n"
            f"[ ! -e {socket} ] || systemctl start docker.socket || exit 1\n"
            f"systemctl start docker.service || exit 1\nrm -f {socket}"
        )
        there = "! systemctl -q is-active docker.service"
        return Part(make=make, heal=heal, before=before, there=there)


@dataclass(frozen=True)
class FreezeDaemon(Fault):
    """Docker's daemon stands still (SIGSTOP): it holds its connections and answers nothing."""

    kind: ClassVar[str] = "freeze-daemon"

    def words(self) -> str:
        return f"Docker's daemon on {self.on} is frozen"

    def refusal(self, seen: Seen) -> str:
        return refusal_of(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        own = f"{FOLDER}/{fault_id}.frozen"  # one that was refused must not thaw it for another
        make = (
            f'pid=$({_PID})\n[ "$pid" != 0 ]\n'
            'if grep -q "^State:.T" "/proc/$pid/status"; then\n'
            '  echo "Docker\'s daemon is frozen already: heal it first" >&2; exit 73\nfi\n'
            f': > {own}\nkill -STOP "$pid"'
        )
        heal = (
            f"if [ -e {own} ]; then\n"
            f'  pid=$({_PID})\n  [ "$pid" = 0 ] || kill -CONT "$pid" || exit 1\nfi\nrm -f {own}'
        )
        there = f'pid=$({_PID})\n[ "$pid" = 0 ] || grep -q "^State:.T" "/proc/$pid/status"'
        return Part(make=make, heal=heal, there=there)


def kill_daemon(on: str) -> KillDaemon:
    """Kill Docker's daemon."""
    return KillDaemon(on)


def freeze_daemon(on: str) -> FreezeDaemon:
    """Freeze Docker's daemon."""
    return FreezeDaemon(on)
