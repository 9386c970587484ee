"""The exercise and a look at it, as the page shows them.

All of it is text, or spans of text: `[["text", "It pings "], ["code", "alpine"]]`. The page makes
elements of spans, and nothing that a machine has printed is ever HTML.
"""

from __future__ import annotations

from typing import Any

from markdown_it import MarkdownIt

from scenarios.learn import explain, hints, names
from scenarios.learn.look import Exercise, Look, Seen

_INLINE = MarkdownIt("zero").enable(["backticks", "emphasis"])
_KINDS = {"code_inline": "code", "strong": "strong", "em": "em"}

Spans = list[list[str]]


def spans(text: str) -> Spans:
    """Text with Markdown's code and emphasis, as pairs of a kind and text."""
    found: Spans = []
    inside = ["text"]
    for token in _INLINE.parseInline(text)[0].children or []:
        kind, _, way = token.type.rpartition("_")
        if way == "open" and kind in _KINDS:
            inside.append(_KINDS[kind])
        elif way == "close" and kind in _KINDS:
            inside.pop()
        elif token.content:
            found.append([_KINDS.get(token.type, inside[-1]), token.content])
    return found


def exercise(of: Exercise) -> dict[str, Any]:
    """What of the exercise does not change."""
    scenario = of.scenario
    return {
        "lab": of.setup.lab.name,
        "scenario": scenario.name,
        "number": "" if scenario.exercise == "-" else scenario.exercise,
        "title": scenario.title,
        "summary": spans(scenario.summary),
        "steps": [
            {
                "number": plan.number,
                "title": plan.title,
                "why": spans(plan.why),
                "machines": [machine.name for machine in of.machines_of(plan)],
            }
            for plan in scenario.steps
        ],
    }


def look(of: Exercise, seen: Look) -> dict[str, Any]:
    """How far it has come."""
    return {
        "done": seen.done,
        "next": seen.next.plan.number if seen.next else None,
        "names": names.told(seen.called),
        "steps": [_step(of, seen, one) for one in seen.steps],
    }


def _step(of: Exercise, whole: Look, seen: Seen) -> dict[str, Any]:
    return {
        "number": seen.plan.number,
        "state": seen.state,
        "at": seen.at,
        "why_not": explain.why_not(of, whole, seen),
        # Of a later step it may only be that nobody has come to it yet.
        "mistake": seen is whole.next and explain.mistake(whole, seen) is not None,
        "commands": [
            {"machine": machine, "text": line, "whole": _can_be_typed(machine, line)}
            for machine in hints.where(of, seen.plan)
            for line in hints.commands(hints.command_of(of, whole, seen))
        ],
    }


def _can_be_typed(machine: str, line: str) -> bool:
    """Whether a click can type a command: it has no gaps, and the page has such a terminal."""
    return machine != hints.HERE and "<" not in line and "…" not in line


def hint(given: hints.Hint) -> dict[str, Any]:
    """A hint; commands with gaps cannot be typed by a click."""
    return {
        "step": given.seen.plan.number,
        "stage": given.stage,
        "of": hints.STAGES,
        "says": spans(given.says),
        "undo": [{"machine": given.undo_on, "text": given.undo, "whole": True}]
        if given.undo
        else [],
        "commands": [
            {
                "machine": machine,
                "text": line,
                "whole": given.stage == hints.STAGES and _can_be_typed(machine, line),
            }
            for machine in given.machines
            for line in hints.commands(given.command)
        ],
    }
