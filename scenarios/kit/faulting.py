"""A fault while a step runs, as the record has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from provision.faults.fault import Fault
from provision.faults.making import Faults, written_down
from scenarios.evidence.lanes import Lanes
from scenarios.record import model


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
    begun = [(line, line.now()) for line in lines]
    made = faults.make(fault, seconds)
    record = model.Fault(
        kind=fault.kind,
        what=made.fault.words(),
        machines=list(made.fault.places()),
        step=step,
        begin=made.begin,
    )
    for line, begin in begun:
        now = line.now()
        line.saw(
            "fault", record.kind, "made", now, now, id_=str(number), about=record.what, absent=begin
        )
    try:
        yield record
    finally:
        healing = [(line, line.now()) for line in lines]
        record.healed = "step" if faults.heal(made) else "timer"
        record.end = datetime.now(UTC).isoformat(timespec="milliseconds")
        for line, begin in healing:
            if record.healed == "step":
                line.saw("fault", record.kind, "made", begin, begin, id_=str(number))
            line.saw("fault", record.kind, "healed", begin, line.now(), id_=str(number))


def notes(faults: Faults) -> list[str]:
    """Faults that were made by hand before the run began: it is judged with them."""
    found = {one.fault_id: one for one in written_down(faults.journal)}
    return [f"There was a fault when this run began: {one.words}." for one in found.values()]
