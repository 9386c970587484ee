"""A fault while a step runs, as the record has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from provision.faults.fault import Fault
from provision.faults.making import Faults, Made, written_down
from scenarios.evidence.lanes import Lanes
from scenarios.record import model


@dataclass(frozen=True)
class Begun:
    """A fault that was made: what is known of it, how it is recorded, and its number in the run."""

    made: Made
    record: model.Fault
    number: int

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return datetime.now(UTC) >= datetime.fromisoformat(self.made.end)


@contextmanager
def recorded(
    faults: Faults,
    fault: Fault,
    seconds: float,
    step: str,
    lines: Sequence[Lanes] = (),
    number: int = 1,
) -> Iterator[model.Fault]:
    """Make a fault, and heal it when the block ends, also by an error or Ctrl-C.

    `healed` says "timer" where it was gone before that. The time lines that are collected
    meanwhile have it as the fault of that `number` in the run.
    """
    begun = begin(faults, fault, seconds, step, lines, number)
    try:
        yield begun.record
    finally:
        end(faults, begun, lines)


def begin(
    faults: Faults, fault: Fault, seconds: float, step: str, lines: Sequence[Lanes], number: int
) -> Begun:
    """Make a fault and note it on the time lines. Raises as `Faults.make`."""
    before = [(line, line.now()) for line in lines]
    made = faults.make(fault, seconds)
    record = model.Fault(
        kind=fault.kind,
        what=made.fault.words(),
        machines=list(made.fault.places()),
        step=step,
        begin=made.begin,
    )
    for line, absent in before:
        now = line.now()
        line.saw(
            "fault",
            record.kind,
            "made",
            now,
            now,
            id_=str(number),
            about=record.what,
            absent=absent,
        )
    return Begun(made, record, number)


def end(faults: Faults, begun: Begun, lines: Sequence[Lanes]) -> None:
    """Heal a fault and note it; one that nobody can heal is waited for."""
    record, number = begun.record, str(begun.number)
    before = [(line, line.now()) for line in lines]
    record.healed = "step" if faults.heal(begun.made) else "timer"
    record.end = datetime.now(UTC).isoformat(timespec="milliseconds")
    for line, healing in before:
        if record.healed == "step":
            line.saw("fault", record.kind, "made", healing, healing, id_=number)
        line.saw("fault", record.kind, "healed", healing, line.now(), id_=number)


def notes(faults: Faults) -> list[str]:
    """Faults that were made by hand before the run began: it is judged with them.

    The machines are asked: a reboot or a restored checkpoint ends what is written down.
    """
    found = {one.fault_id: one for one in faults.listed()} if written_down(faults.journal) else {}
    return [f"There was a fault when this run began: {one.words}." for one in found.values()]
