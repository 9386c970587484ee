"""A fault that outlasts its step: made by a step with `breaks`, healed by the one with `heals`.

Where no step heals it, the clean-up does, and its timer on the machines in any case. Meanwhile a
time line is collected. Somebody who does the exercise by hand makes and heals it with the verbs
`fault.…`: so both steps are judged by the faults that the machines have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.faults.fault import Fault
from provision.faults.look import Refused
from provision.faults.making import Active, Faults
from provision.faults.typed import heal_verb, verb
from provision.support.errors import SwarmrigError
from scenarios.kit import faulting
from scenarios.kit.timeline import Line, collected

if TYPE_CHECKING:
    from scenarios.kit.scenario import StepPlan
    from scenarios.kit.step import Context, Step

_SILENCE = {"freeze-daemon", "kill-daemon", "power-off"}


class FaultOver(SwarmrigError):
    """A fault was over while steps relied on it."""


@dataclass
class Held:
    """A fault that is there from one step to another, and its time line until that ends."""

    fault: faulting.Begun
    line: Line
    watching: ExitStack
    healed: bool = False


def make(plan: StepPlan, step: Step) -> None:
    """Make the first of the step's faults that the machines can have, and leave it there.

    Raises Refused with each reason where they can have none of them.
    """
    context = step.context
    with ExitStack() as watching:
        line = watching.enter_context(
            collected(context, plan.number, plan.watches, plan.pings),
        )
        begun, fault = _first(plan, context)
        context.held[plan.number] = Held(begun, line, watching.pop_all())
    context.faults_made.append(begun.record)
    # Of what somebody could have typed, what was made.
    rest = plan.book.splitlines()[len(plan.breaks) :]
    step.data.book = "\n".join([verb(fault, plan.lasts), *rest])
    for name in fault.places() if fault.waits else ():
        # Nobody answers at the other end of this connection any more.
        _faults(context).machines[name].close()
    context.tell(f"       made on purpose: {begun.record.what}")


def _first(plan: StepPlan, context: Context) -> tuple[faulting.Begun, Fault]:
    reasons = []
    for fault in plan.breaks:
        named, number = fault.named(_names(context)), len(context.faults_made) + 1
        try:
            begun = faulting.begin(
                _faults(context), named, plan.lasts, plan.number, context.collecting, number
            )
        except Refused as error:
            reasons.append(str(error))
        else:
            return begun, named
    raise Refused(" ".join(reasons))


def heal(plan: StepPlan, step: Step) -> None:
    """Heal the fault that the step `heals` has made; one that this run has not made as well.

    Raises FaultOver where its time was over before.
    """
    context = step.context
    held = context.held.get(plan.heals)
    if held is None:
        for fault in plan.healed:
            faults = _faults(context)
            faults.heal_like(faults.resolved(fault.named(_names(context))))
        return
    late = held.fault.over
    _heal(context, held)
    if late or (held.fault.record.healed == "timer" and not held.fault.made.fault.waits):
        # What the steps in between have seen, they may have seen without it.
        what = held.fault.record.what
        raise FaultOver(f"the fault of step {plan.heals} was over before this step: {what}")


def _heal(context: Context, held: Held) -> None:
    if not held.healed:
        held.healed = True
        faulting.end(_faults(context), held.fault, context.collecting)


def ended(plan: StepPlan, step: Step) -> None:
    """A step is judged: where it has healed a fault, its time line ends."""
    if held := step.context.held.get(plan.heals):
        held.watching.close()


def end_all(context: Context) -> None:
    """Heal what no step has healed, and end the time lines; whatever goes wrong in one of them."""
    with ExitStack() as every:
        for held in context.held.values():
            every.callback(held.watching.close)
            every.callback(_heal, context, held)


def expect(plan: StepPlan, step: Step) -> None:
    """The fault is there after a step that breaks, and none of them after one that heals."""
    if not (plan.breaks or plan.healed):
        return
    faults, named = _faults(step.context), _names(step.context)
    wanted = [faults.resolved(fault.named(named)) for fault in plan.breaks or plan.healed]
    there = {one.words for one in faults.listed()}
    seen = [fault.words() for fault in wanted if fault.words() in there]
    if plan.breaks:
        held = step.context.held.get(plan.number)
        words = held.fault.record.what if held else ", or ".join(one.words() for one in wanted)
        what = f"the fault is there: {words}"
        step.expect(what, expected=True, seen=bool(seen), source="command")
    else:
        step.expect("the fault is healed", expected=[], seen=seen, source="command")


def by_hand(plan: StepPlan, name: Callable[[str], str] = str) -> list[str]:
    """What somebody types on the controlling host for a step that breaks or heals.

    `name` gives a machine's name by its place. Of faults of which one is enough, the first one is
    to be tried first.
    """
    if plan.healed:
        return list(dict.fromkeys(heal_verb(fault.named(name)) for fault in plan.healed))
    return [verb(fault.named(name), plan.lasts) for fault in plan.breaks]


def silenced(found: Iterable[Active]) -> dict[str, str]:
    """The machines whose engine cannot answer because of a fault, and that fault in words."""
    return {one.machine: one.words for one in found if one.kind in _SILENCE}


def _faults(context: Context) -> Faults:
    assert context.faults is not None
    return context.faults


def _names(context: Context) -> Callable[[str], str]:
    places = context.machines
    return lambda place: places[place].name if place in places else place
