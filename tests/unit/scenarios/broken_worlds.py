"""Ways in which a recorded lab can be other than it should be, as data.

Each changes answers of the tape before the run is judged again, and names the expectations that
have to fail by that, and no other: `fails` are beginnings of their texts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.tape import Answer, Tape

Edit = Callable[[Answer], None]


@dataclass(frozen=True)
class Broken:
    """One broken world: `edit` is applied to each answer to a request that has `request` in it."""

    name: str
    step: str
    machine: str
    request: str
    edit: Edit
    fails: tuple[str, ...]

    def apply(self, tape: Tape) -> int:
        """Break the tape; how many answers were changed."""
        count = 0
        for key, answers in tape.answers.items():
            step, _, machine, request = key.split("|", 3)
            if step == self.step and self.machine in ("", machine) and self.request in request:
                tape.answers[key] = [json.loads(json.dumps(answer)) for answer in answers]
                for answer in tape.answers[key]:
                    self.edit(answer)
                    count += 1
        return count


def body(change: Callable[[Any], Any]) -> Edit:
    """An edit of an Engine API answer's JSON document; what `change` returns replaces it."""

    def edit(answer: Answer) -> None:
        if answer["status"] == 200:
            changed = change(json.loads(answer["body"]))
            answer["body"] = json.dumps(changed)

    return edit


def put(value: Any, *path: str | int) -> Edit:
    """One value of a document, wherever it is an object or the objects of a list."""

    def change(document: Any) -> Any:
        for one in document if isinstance(document, list) and path[0] != 0 else [document]:
            at = one
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        return document

    return body(change)


def text(old: str, new: str) -> Edit:
    """A command's output with other words in it."""

    def edit(answer: Answer) -> None:
        answer["out"] = answer["out"].replace(old, new)

    return edit


def output(new: str) -> Edit:
    """Another output."""

    def edit(answer: Answer) -> None:
        answer["out"] = new

    return edit


def failing(new: str) -> Edit:
    """Another output, of a command that fails."""

    def edit(answer: Answer) -> None:
        answer["out"], answer["code"] = new, 1

    return edit


def no_packets(answer: Answer) -> None:
    """A capture of which only the file's header is left (24 bytes)."""
    answer["out"] = base64.b64encode(base64.b64decode(answer["out"])[:24]).decode()


def empty(_: Any) -> list[Any]:
    return []


def stays() -> Edit:
    """What was listed once is listed for ever."""
    seen: list[str] = []

    def edit(answer: Answer) -> None:
        if json.loads(answer["body"]):
            seen.append(answer["body"])
        elif seen:
            answer["body"] = seen[-1]

    return edit
