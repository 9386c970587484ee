"""The commands that somebody has typed in a terminal of the page, for the report.

They are read from the keys alone, as the browser sends them: what is typed, pasted and taken back.
Where the shell has a hand in a line (the arrows, Tab, Ctrl-R), nobody but the shell knows it, and
it is left out. Only Docker's commands are kept, and none that may have a secret in it.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from scenarios.kit.setup import now
from scenarios.learn.hints import commands, verb
from scenarios.record import model

_KEPT = 200  # lines of one terminal
_LONGEST = 4000  # characters
# What a terminal says of itself, and the marks around what is pasted, are no keys.
_REPORT = re.compile(r"\x1b\[(?:20[01]~|[?>]?[\d;]*[cRn]|[IO]|<[\d;]*[mM])")
_KEY = re.compile(r"\x1b(?:\[[\d;?<>]*[ -/]*[@-~]?|O.?|.?)|.", re.DOTALL)
_SECRET_VERBS = {"login", "swarm", "secret", "config"}
# Options whose values may be one, a variable of the environment say.
_SECRET_OPTIONS = re.compile(r"\s(?:-\w*e\b|-e\S|--(?:env|password|secret|build-arg|log-opt))")

# The lines that were typed on a machine so far, the oldest first.
Typed = Callable[[str], "list[Line]"]


class Line:
    """A command line, and when Enter was pressed."""

    def __init__(self, text: str) -> None:
        self.at, self.text, self.told = now(), text, False


class Typing:
    """What is typed in one terminal."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=_KEPT)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line, self._known = "", True

    def feed(self, data: bytes) -> None:
        for key in _KEY.findall(_REPORT.sub("", self._decoder.decode(data))):
            self._key(key)

    def _key(self, key: str) -> None:
        if key in "\r\n":
            self._enter()
        elif key in "\x03\x04\x15":  # Ctrl-C, Ctrl-D, Ctrl-U: the line is empty again
            self._line, self._known = "", True
        elif key in "\x7f\b":
            self._line = self._line[:-1]
        elif key == "\x17":  # Ctrl-W
            self._line = re.sub(r"\S*\s*$", "", self._line)
        elif key[0] != "\x1b" and key.isprintable() and len(self._line) < _LONGEST:
            self._line += key
        else:
            self._known = False

    def _enter(self) -> None:
        if self._line.endswith("\\"):
            self._line = self._line[:-1]
            return
        words = self._line.removeprefix("sudo ").split()
        secret = _SECRET_VERBS.intersection(words[1:2]) or _SECRET_OPTIONS.search(self._line)
        if self._known and words[:1] == ["docker"] and not secret:
            self.lines.append(Line(self._line.strip()))
        self._line, self._known = "", True


def typed_for(run: str, machines: Iterable[str], typed: Typed) -> list[model.Command]:
    """What was typed for a step that is done now, in place of its own command `run`."""
    found = (_typed(one, name, typed(name)) for one in commands(run) for name in machines)
    return [command for command in found if command]


def _typed(own: str, machine: str, lines: list[Line]) -> model.Command | None:
    """Of the lines with the same verb the last one that is nearly as like as the likest."""
    likely = [
        (SequenceMatcher(None, own.split(), line.text.split(), False).ratio(), line)
        for line in lines
        if not line.told and verb(line.text.removeprefix("sudo ")) == verb(own)
    ]
    best = max((like for like, _ in likely), default=0.0)
    nearly = [line for like, line in likely if like > best - 0.1]
    if not nearly:
        return None
    line = nearly[-1]
    line.told = True
    return model.Command(
        machine=machine,
        command=line.text,
        stdout="",
        stderr="",
        exit_code=None,
        started=line.at,
        seconds=0,
        typed=True,
    )
