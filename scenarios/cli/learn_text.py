"""What the verbs check and hint print."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from provision.support import terminal
from scenarios.kit.setup import fill
from scenarios.learn import explain, hints, names
from scenarios.learn.look import Exercise, Look, Seen, typed_fault

_MARKS = {"done": "✓", "open": "·", "waiting": "·"}


def table(exercise: Exercise, look: Look) -> str:
    """All steps, with what is next and why it is not done."""
    scenario = exercise.scenario
    number = "" if scenario.exercise == "-" else f"Exercise {scenario.exercise}: "
    lines = [f"{number}{scenario.title}", ""]
    for seen in look.steps:
        mark = "▸" if seen is look.next else _MARKS[seen.state]
        lines.append(f"{mark} {seen.plan.number:>3}. {seen.plan.title}")
        if seen is look.next:
            lines += [f"       {line}" for line in _next(exercise, look, seen)]
        elif skipped := _skipped(seen):
            lines += [f"       skipped: {line}" for line in skipped]
    lines += ["", *names.told(look.called), _sum(exercise, look)]
    return "\n".join(lines)


def _next(exercise: Exercise, look: Look, seen: Seen) -> list[str]:
    where = " and ".join(hints.where(exercise, seen.plan))
    text = fill(names.renamed(seen.plan.book, look.called), look.context.names)
    text = typed_fault(seen.plan, exercise) or text
    book = [f"on {where}: {line}" for line in text.splitlines()]
    return [*(book or [f"on {where}"]), explain.why_not(exercise, look, seen)]


def _skipped(seen: Seen) -> list[str]:
    expectations = seen.step.expectations if seen.step and seen.state == "done" else []
    return [f"{one.what}: {one.skipped}" for one in expectations if one.skipped]


def _sum(exercise: Exercise, look: Look) -> str:
    total, name = len(look.steps), exercise.scenario.name
    if look.next is None:
        return f"All {total} steps are done."
    return (
        f"{look.done} of {total} steps are done. Next: step {look.next.plan.number}. "
        f"A hint: inv hint {name}"
    )


def hint(given: hints.Hint) -> str:
    """A hint, and how to get the next one."""
    lines = [f"{given.seen.plan.number}. {given.seen.plan.title}", f"   {given.says}"]
    if given.undo:
        lines += [f"   First take it back, on {given.undo_on}:", f"   $ {given.undo}"]
    if given.command:
        lines.append(
            f"   Then, on {' and '.join(given.machines)}:"
            if given.undo
            else f"   On {' and '.join(given.machines)}:"
        )
        lines += [f"   $ {line}" for line in hints.commands(given.command)]
    if given.stage < hints.STAGES:
        more = "the command with gaps" if given.stage == 1 else "the command"
        lines.append(f"   (once more: {more})")
    return "\n".join(lines)


def as_json(exercise: Exercise, look: Look) -> dict[str, Any]:
    """The look for other tools; times are ISO 8601 in UTC."""
    return {
        "scenario": exercise.scenario.name,
        "exercise": exercise.scenario.exercise,
        "done": look.done,
        "of": len(look.steps),
        "next": look.next.plan.number if look.next else None,
        "names": look.called,
        "steps": [_step(exercise, look, seen) for seen in look.steps],
    }


def _step(exercise: Exercise, look: Look, seen: Seen) -> dict[str, Any]:
    found = explain.mistake(look, seen)
    return {
        "number": seen.plan.number,
        "title": seen.plan.title,
        "state": seen.state,
        "at": seen.at or None,
        "machines": [machine.name for machine in exercise.machines_of(seen.plan)],
        "probe": seen.plan.probe,
        "why_not": explain.why_not(exercise, look, seen),
        "mistake": found.name if found else None,
        "expectations": [one.model_dump(mode="json") for one in seen.step.expectations]
        if seen.step
        else [],
    }


class Shown:
    """What a person who types has been shown so far: only what changes is printed."""

    def __init__(self, exercise: Exercise, walk: bool) -> None:
        self._exercise, self._walk = exercise, walk
        self._done: set[str] = set()
        self._said: set[str] = set()
        self._green: set[tuple[str, str]] = set()
        self._next = ""

    def say(self, line: str) -> None:
        """Print a line that was not printed since the last step was done."""
        if line not in self._said:
            self._said.add(line)
            terminal.say(line)

    def show(self, look: Look) -> None:
        for seen in look.steps:
            if seen.state == "done" and seen.plan.number not in self._done:
                self._done.add(seen.plan.number)
                self._said.clear()
                self._tell_done(seen)
        for line in names.told(look.called):
            self.say(f"  {line}")
        if look.next is None:
            terminal.say(_sum(self._exercise, look))
            return
        if look.next.plan.number != self._next:
            self._next = look.next.plan.number
            self._tell_next(look, look.next)
        self._tell_green(look.next)
        self.say(f"       {explain.why_not(self._exercise, look, look.next)}")

    def _tell_done(self, seen: Seen) -> None:
        at = datetime.fromisoformat(seen.at).astimezone().strftime("%H:%M:%S")
        terminal.say(f"✓ {seen.plan.number:>3}. {seen.plan.title}  ({at})")
        self._tell_green(seen)
        for line in _skipped(seen):
            terminal.say(f"       skipped: {line}")

    def _tell_green(self, seen: Seen) -> None:
        """What of a step is as it must be, as soon as it is seen so; also while other is not."""
        for one in seen.step.expectations if self._walk and seen.step else []:
            check = (seen.plan.number, one.what)
            if one.passed is not False and check not in self._green:
                self._green.add(check)
                terminal.say(f"       {'-' if one.skipped else '✓'} {one.what}")

    def _tell_next(self, look: Look, seen: Seen) -> None:
        terminal.say(f"▸ {seen.plan.number:>3}. {seen.plan.title}")
        if self._walk and seen.plan.why:
            terminal.say(f"       {seen.plan.why}")
        for line in _next(self._exercise, look, seen)[:-1]:
            terminal.say(f"       {line}")
