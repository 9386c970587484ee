"""A clock that is wrong.

Only the system's clock is set, not that of the hardware: a reboot has the right time again. What
keeps the clock right is stopped meanwhile.
Sources: date(1), proc_uptime(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import FOLDER, Fault, Part, Seen

_KEEPERS = "systemd-timesyncd chrony chronyd ntp ntpsec ntpd openntpd"


@dataclass(frozen=True)
class Clock(Fault):
    """A machine's clock is `seconds` ahead; behind, where that is negative."""

    kind: ClassVar[str] = "clock"

    seconds: int = 3600

    def __post_init__(self) -> None:
        self._within("seconds", abs(self.seconds), 1, 10 * 366 * 86400)

    def words(self) -> str:
        way = "ahead" if self.seconds > 0 else "behind"
        return f"the clock of {self.on} is {abs(self.seconds)} s {way}"

    def refusal(self, seen: Seen) -> str:
        if seen.existing:
            return "its clock is its owner's: clocks are set on machines of the lab's own only"
        return "it is a container, and its clock is this host's" if seen.container else ""

    def part(self, seen: Seen, fault_id: str) -> Part:
        kept = f"{FOLDER}/{fault_id}"
        # What the clock would show: the time when the machine was started, and how long it runs.
        before = (
            f'for other in {FOLDER}/*.clock; do if [ -e "$other" ]; then\n'
            "  echo 'its clock is set wrong already: heal it first' >&2; exit 1\nfi; done\n"
            f'echo "$(date +%s) $(cut -d. -f1 /proc/uptime)" > {kept}.clock\n: > {kept}.keepers\n'
            f"for unit in {_KEEPERS}; do systemctl -q is-active $unit 2>/dev/null && "
            f"echo $unit >> {kept}.keepers; done; true"
        )
        make = (
            f"while read -r unit; do systemctl stop $unit; done < {kept}.keepers\n"
            f"date -u -s @$(($(date +%s) + {self.seconds})) >/dev/null"
        )
        heal = (
            f"if [ -e {kept}.clock ]; then\n  read -r epoch uptime < {kept}.clock\n"
            "  date -u -s @$((epoch + $(cut -d. -f1 /proc/uptime) - uptime)) >/dev/null || exit 1\n"
            f"  while read -r unit; do systemctl start $unit; done < {kept}.keepers\n"
            f"  rm -f {kept}.clock {kept}.keepers\nfi"
        )
        return Part(make=make, heal=heal, before=before)


def clock(on: str, seconds: int = 3600) -> Clock:
    """Set a machine's clock wrong."""
    return Clock(on, seconds=seconds)
