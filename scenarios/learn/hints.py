"""Hints in three stages: what is wrong or to be done, the command with gaps, the command."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from scenarios.kit.scenario import StepPlan
from scenarios.kit.setup import fill
from scenarios.learn import blanks, explain, names
from scenarios.learn.look import Exercise, Look, Seen, named, typed_fault
from scenarios.learn.mistakes.mistake import Mistake
from scenarios.learn.progress import Hinted

STAGES = 3
HERE = "this host"
GAP = "…"
# Options of the exercises' commands that take no value.
_SWITCHES = {"-t", "-it", "-d", "-f", "--no-resolve-image", "--force", "--attachable", "--ipv6"}
_GROUPS = {"network", "service", "node", "plugin", "swarm", "container", "image"}
# The book's way to write several commands of a step on one line.
_NEXT_COMMAND = re.compile(r", then: |, (?=docker )")
_BLANK = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Hint:
    """What is said about a step. `command` is "" in the first stage, and has gaps in the second.

    `undo` takes a mistake back first, typed on the machine `undo_on`.
    """

    seen: Seen
    stage: int
    says: str
    machines: tuple[str, ...]
    command: str = ""
    undo: str = ""
    undo_on: str = ""


def hint(exercise: Exercise, look: Look, seen: Seen, stage: int = 0) -> Hint:
    """The next hint about a step, or that of a `stage`; it is kept that it was given.

    Where another mistake is seen than the time before, hints begin again.
    """
    found = explain.mistake(look, seen)
    about, number = found.name if found else "", seen.plan.number
    before = exercise.progress.hints.get(number)
    given = before.stage if before and before.about == about else 0
    stage = min(max(stage or given + 1, 1), STAGES)
    exercise.progress.hints[number] = Hinted(about=about, stage=stage)
    exercise.progress = exercise.kept.save(exercise.progress, hinted=number)
    return _made(exercise, look, seen, stage, found)


def _made(exercise: Exercise, look: Look, seen: Seen, stage: int, found: Mistake | None) -> Hint:
    says = found.says if found else explain.why_not(exercise, look, seen)
    if not found:
        says = " ".join(filter(None, (says, seen.plan.why)))
    machines, command = where(exercise, seen.plan), command_of(exercise, look, seen)
    on, undo = (exercise.machines[found.on].name, found.undo) if found else ("", "")
    if found and found.done:
        machines, command, undo = (on,), found.undo, ""
    if stage == 1:
        command = undo = ""
    return Hint(
        seen=seen,
        stage=stage,
        says=says,
        machines=machines,
        command=with_gaps(command) if stage == 2 else command,
        undo=undo,
        undo_on=on if undo else "",
    )


def where(exercise: Exercise, plan: StepPlan) -> tuple[str, ...]:
    """Where the command of a step is typed: a fault is made from the controlling host."""
    if plan.breaks or plan.heals:
        return (HERE,)
    return tuple(machine.name for machine in exercise.machines_of(plan))


def command_of(exercise: Exercise, look: Look, seen: Seen) -> str:
    """What to type for a step: its command, with the lab's own names; the book's where there is
    none, with the tasks' containers and their addresses filled in where they are known."""
    plan = named(seen.plan, look.called)
    if fault := typed_fault(plan, exercise):
        return fault
    command = fill(plan.run or names.renamed(plan.book, look.called), look.context.names)
    return command if plan.run else blanks.filled(command, look.world, exercise.machines, plan.on)


def commands(text: str) -> list[str]:
    """The commands of a step, one by one."""
    return [one for line in text.splitlines() for one in _NEXT_COMMAND.split(line) if one]


def with_gaps(command: str) -> str:
    """A command with its options, and gaps for their values and all other words."""
    return "\n".join(map(_gaps, commands(command)))


def verb(line: str) -> list[str]:
    """The words that say what a command does, such as "docker network create"."""
    words = line.split()
    if words[:1] == ["docker"]:
        return words[: 3 if words[1:2] and words[1] in _GROUPS else 2]
    return words[: 2 if words[:1] == ["sudo"] else 1]


def _gaps(line: str) -> str:
    words = shlex.split(_BLANK.sub(GAP, line))
    if words[:1] == ["inv"]:
        return f"inv {words[1]} {GAP}"
    shown = verb(line)
    rest = words[len(shown) :]
    takes_value = False
    for word in rest:
        if takes_value or not word.startswith("-"):
            shown.append(GAP)
            takes_value = False
        elif "=" in word:
            shown.append(f"{word.partition('=')[0]}={GAP}")
        else:
            shown.append(word)
            takes_value = word not in _SWITCHES or (word == "-d" and words[1] == "network")
    return " ".join(shown)
