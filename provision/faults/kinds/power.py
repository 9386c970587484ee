"""A power cut: the machine is gone at once, and comes back when the time is over.

Nobody on the machine can switch it on again. It restarts at once, like one that has lost power, and
a unit that comes before the network holds its start until the time is over: it looks like one that
is off. The unit removes itself.
Sources: https://docs.kernel.org/admin-guide/sysrq.html (b), systemd.special(7).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import MOST_SECONDS, Fault, Part, Seen

_UNITS = "/etc/systemd/system"
_UNIT = """[Unit]
Description=Hold the start after a power cut (fault {id} of lab {lab})
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target networking.service systemd-networkd.service NetworkManager.service
Before=sysinit.target ssh.service sshd.service docker.service shutdown.target
Conflicts=shutdown.target
After=local-fs.target systemd-remount-fs.service

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c '{hold}'
"""
# In a unit $$ is $, and %% is %. A clock that jumps holds the start no longer than a fault can be.
_HOLD = (
    "left=$$((@END@ - $$(date +%%s))); [ $$left -le {most} ] || left={most}; "
    "[ $$left -le 0 ] || sleep $$left; rm -f {link} {unit}"
)


@dataclass(frozen=True)
class PowerOff(Fault):
    """A machine loses its power."""

    kind: ClassVar[str] = "power-off"
    waits: ClassVar[bool] = True

    # How long, in seconds; known before it is made.
    seconds: float = 0

    def words(self) -> str:
        return f"{self.on} has no power"

    def refusal(self, seen: Seen) -> str:
        if seen.existing:
            return "its power is its owner's: only machines of the lab's own are switched off"
        if seen.container:
            return "it is a container, and has no power of its own"
        return "" if seen.timer == "systemd" else "systemd does not run on it"

    def part(self, seen: Seen, fault_id: str) -> Part:
        name = f"swarmrig-hold-{fault_id}.service"
        unit, link = f"{_UNITS}/{name}", f"{_UNITS}/sysinit.target.wants/{name}"
        hold = _HOLD.format(most=MOST_SECONDS, link=link, unit=unit)
        text = _UNIT.format(id=fault_id, lab=seen.lab, hold=hold)
        before = (
            f"mkdir -p {_UNITS}/sysinit.target.wants\n"
            f"end=$(($(date +%s) + {round(self.seconds)}))\n"
            f'printf %s {shlex.quote(text)} | sed "s/@END@/$end/" > {unit}\n'
            f"ln -sf {unit} {link}\nsync {unit} {_UNITS}/sysinit.target.wants"
        )
        # A moment later, so that SSH has its answer. Written files that nobody has synced are lost.
        make = (
            f"[ -e {link} ] || exit 1\n"
            "systemd-run -q --on-active=1 --timer-property=AccuracySec=100ms "
            "sh -c 'echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger'"
        )
        heal = f"rm -f {link} {unit}"
        return Part(make=make, heal=heal, before=before)


def power_off(on: str) -> PowerOff:
    """Cut a machine's power."""
    return PowerOff(on)
