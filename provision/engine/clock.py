"""The clocks of machines beside this host's: TLS between nodes needs them to agree.

Machines of our own get this host's time: one that was suspended has slept, and one that was set
back has the time of its checkpoint. Existing hosts are refused: how they get their time is not ours
to decide.
"""

from __future__ import annotations

import time

from provision.changes.change import Change, carry_out
from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all
from provision.support.progress import Progress

# Seconds. A swarm's certificates are valid from an hour before they are made, lists of packages
# from the moment of their signature. Kerberos allows five minutes as well.
TOLERANCE = 300.0


def look(machines: dict[str, Machine]) -> dict[str, float]:
    """How many seconds each machine's clock is ahead of this host's; negative where it is behind.

    Accurate to the time that a command takes. Raises MachinesError.
    """

    def ahead(machine: Machine) -> float:
        begin = time.time()
        said = machine.run_checked("date +%s", 30)
        return float(said) - (begin + time.time()) / 2

    return run_on_all("asking for the time", machines.values(), ahead)


def plan(seen: dict[str, float], existing: bool) -> list[Change]:
    """The clocks to set. Raises MachineError for existing hosts whose clocks do not agree."""
    wrong = {name: seconds for name, seconds in seen.items() if abs(seconds) > TOLERANCE}
    if not existing:
        return [
            Change(name, "clock", f"set its clock, which is {in_words(seconds)} this host's")
            for name, seconds in wrong.items()
        ]
    if not wrong or note(seen, existing):
        return []
    words = "; ".join(
        f"{name}: its clock is {in_words(seconds)} this host's" for name, seconds in wrong.items()
    )
    right = [name for name in seen if name not in wrong]
    beside = f" (right on {', '.join(right)})" if right else ""
    raise MachineError(
        f"{words}{beside}. The swarm's certificates are not valid there.",
        f"Set it: on {', '.join(wrong)} run sudo timedatectl set-ntp true, then sudo systemctl "
        "restart docker; then run inv up again.",
    )


def note(seen: dict[str, float], existing: bool) -> str:
    """That this host's own clock is the wrong one, where all existing hosts agree; else ""."""
    low, high = min(seen.values()), max(seen.values())
    if existing and high - low <= TOLERANCE and not -TOLERANCE <= low <= high <= TOLERANCE:
        return (
            f"The clocks of all machines are {in_words(low)} this host's: check this host's "
            "clock. Reports have its time."
        )
    return ""


def settle(machines: dict[str, Machine], existing: bool, progress: Progress) -> None:
    """Compare the clocks before anything is done that depends on them; see `plan`."""
    seen = look(machines)
    if said := note(seen, existing):
        progress.say(said)
    carry_out("setting the clock", machines, plan(seen, existing), _apply, progress)


def _apply(machine: Machine, _: Change) -> None:
    """Set the clock; an engine that could not use its certificate tries again when it starts."""
    set_to_ours(machine)
    state = "docker info -f '{{.Swarm.LocalNodeState}}' 2>/dev/null"
    if machine.run(state, 60, sudo=True).stdout.strip() == "error":
        machine.run_checked(
            "systemctl reset-failed docker; systemctl restart docker", 180, sudo=True
        )


def set_to_ours(machine: Machine) -> None:
    """Set a machine's clock to this host's, accurate to the time that a command takes to arrive.

    Raises MachineError. Source: date(1), -s @SECONDS.
    """
    machine.connect()
    machine.run_checked(f"date -u -s @{time.time():.3f}", 30, sudo=True)


def in_words(seconds: float) -> str:
    """How far off a clock is: "3 h 20 min behind", "2 d 1 h ahead"."""
    minutes = round(abs(seconds) / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d"] if days else []
    parts += [f"{hours} h"] if hours else []
    parts += [f"{rest} min"] if rest and not days else []
    return f"{' '.join(parts)} {'ahead of' if seconds > 0 else 'behind'}"
