"""Faults of a run, as the record has them: while a block runs, or from one step to a later one.

A fault that outlasts its step is made by a step with `breaks`, and healed by the step that has
`heals`, else by the clean-up. Somebody who does the exercise by hand makes and heals it with the
verbs `fault.…`, which is why both steps are judged by the faults that the machines have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.faults.fault import Fault
from provision.faults.look import Refused
from provision.faults.making import Faults, Made, written_down
from provision.faults.typed import heal_verb, verb
from provision.support.errors import SwarmrigError
from scenarios.record import model

if TYPE_CHECKING:
    from scenarios.kit.scenario import StepPlan
    from scenarios.kit.step import Context, Step


@dataclass
class Held:
    """A fault that is there from one step to another."""

    made: Made
    record: model.Fault
    since: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return datetime.now(UTC) >= datetime.fromisoformat(self.made.end)


@contextmanager
def recorded(faults: Faults, fault: Fault, seconds: float, step: str) -> Iterator[model.Fault]:
    """Make a fault, and heal it when the block ends, also by an error or Ctrl-C.

    `healed` says "timer" where it was gone before that.
    """
    held = _begun(faults, fault, seconds, step)
    try:
        yield held.record
    finally:
        _end(faults, held)


def _begun(faults: Faults, fault: Fault, seconds: float, step: str) -> Held:
    made = faults.make(fault, seconds)
    record = model.Fault(
        kind=fault.kind,
        what=made.fault.words(),
        machines=list(made.fault.places()),
        step=step,
        begin=made.begin,
    )
    return Held(made, record)


def _end(faults: Faults, held: Held) -> None:
    """Heal it; one that nobody can heal is waited for."""
    held.record.healed = "step" if faults.heal(held.made) else "timer"
    held.record.end = datetime.now(UTC).isoformat(timespec="milliseconds")


# -- from one step to another ---------------------------------------------------------------------


def make(plan: StepPlan, step: Step) -> None:
    """Make the first of the step's faults that the machines can have, and leave it there.

    Raises MachineError with each reason where they can have none of them.
    """
    faults, reasons = _faults(step.context), []
    for fault in plan.breaks:
        named = fault.named(_names(step.context))
        try:
            held = _begun(faults, named, plan.lasts, plan.number)
        except Refused as error:
            reasons.append(str(error))
            continue
        step.context.held[plan.number] = held
        step.context.faults_made.append(held.record)
        for name in held.made.fault.places() if named.waits else ():
            # Nobody answers at the other end of this connection any more.
            faults.machines[name].close()
        step.context.tell(f"       made on purpose: {held.record.what}")
        return
    raise Refused(" ".join(reasons))


def heal(plan: StepPlan, step: Step) -> None:
    """Heal the fault that the step `heals` has made; one that this run has not made as well."""
    context = step.context
    faults, held = _faults(context), context.held.pop(plan.heals, None)
    if held is None:
        for fault in plan.healed:
            faults.heal_like(faults.resolved(fault.named(_names(context))))
        return
    late = held.over
    _end(faults, held)
    if late or (held.record.healed == "timer" and not held.made.fault.waits):
        # What the steps in between have seen, they may have seen without it.
        raise FaultOver(
            f"the fault of step {plan.heals} was over before this step: {held.record.what}"
        )


def heal_rest(context: Context) -> None:
    """Heal what no step has healed; the clean-up calls it, whatever has happened."""
    with ExitStack() as every:
        while context.held:
            _, held = context.held.popitem()
            every.callback(_end, _faults(context), held)


def expect(plan: StepPlan, step: Step) -> None:
    """The fault is there after a step that breaks, and none of them after one that heals."""
    if not (plan.breaks or plan.healed):
        return
    faults = _faults(step.context)
    wanted = [
        faults.resolved(fault.named(_names(step.context))) for fault in plan.breaks or plan.healed
    ]
    there = {one.words for one in faults.listed()}
    seen = [fault.words() for fault in wanted if fault.words() in there]
    if plan.breaks:
        held = step.context.held.get(plan.number)
        words = held.record.what if held else ", or ".join(fault.words() for fault in wanted)
        what = f"the fault is there: {words}"
        step.expect(what, expected=True, seen=bool(seen), source="command")
    else:
        step.expect("the fault is healed", expected=[], seen=seen, source="command")


class FaultOver(SwarmrigError):
    """A fault has healed by itself while steps relied on it."""


def by_hand(plan: StepPlan, name: Callable[[str], str] = str) -> list[str]:
    """What somebody types on the controlling host for a step that breaks or heals.

    `name` gives a machine's name by its place. Of faults of which one is enough, the first one is
    to be tried first.
    """
    if plan.healed:
        return list(dict.fromkeys(heal_verb(fault.named(name)) for fault in plan.healed))
    return [verb(fault.named(name), plan.lasts) for fault in plan.breaks]


def silenced(faults: Faults, known: Mapping[str, object]) -> dict[str, str]:
    """The machines whose engine cannot answer because of a fault, and that fault in words."""
    return {
        one.machine: one.words
        for one in faults.listed()
        if one.kind in {"freeze-daemon", "kill-daemon", "power-off"} and one.machine in known
    }


def notes(faults: Faults) -> list[str]:
    """Faults that were made by hand before the run began: it is judged with them."""
    found = {one.fault_id: one for one in written_down(faults.journal)}
    return [f"There was a fault when this run began: {one.words}." for one in found.values()]


def _faults(context: Context) -> Faults:
    assert context.faults is not None
    return context.faults


def _names(context: Context) -> Callable[[str], str]:
    places = context.machines
    return lambda place: places[place].name if place in places else place
