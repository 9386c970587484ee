"""Writes down what a run creates where others may have things: by id, in the journal.

`docker service create` and `docker network create` print the id before anything else, and `docker
run -d` prints it at its end. Until it is known, the journal has the name and the engine's time:
should the run be killed just then, what was created at that moment is the lab's, and nothing of the
same name that is older or newer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision.changes.journal import Entry, Journal
from provision.machine.machine import Machine, Result
from scenarios.kit.late import answered_late

_CREATES = re.compile(r"\bdocker (?:(service|network) create|(run))\b")
_WORD = re.compile(r"[\w.-]+")
_ID = re.compile(r"^\s*([a-z0-9]{25}|[0-9a-f]{64})\s*$", re.MULTILINE)


@dataclass
class Created:
    """What one run has created so far; `entry` is the run's in the journal."""

    journal: Journal
    entry: Entry

    @property
    def ids(self) -> set[str]:
        return set(self.entry.after)

    def begins(self, machine: Machine, command: str) -> None:
        """A command comes that may create something."""
        if items := self._items(command):
            now = str(machine.docker.info().get("SystemTime", ""))
            self.journal.note(self.entry, before={**self.entry.before, **dict.fromkeys(items, now)})

    def said(self, command: str, output: str) -> None:
        """A command has printed something by now."""
        items = self._items(command)
        new = [id_ for id_ in _ID.findall(output) if id_ not in self.entry.after]
        if items and new:
            before = {item: time for item, time in self.entry.before.items() if item not in items}
            after = {**self.entry.after, **dict.fromkeys(new, ", ".join(items))}
            self.journal.note(self.entry, before=before, after=after)

    def ended(self, command: str, result: Result) -> None:
        """A command has ended: what it has not created by now does not come any more."""
        self.said(command, result.stdout)
        items = self._items(command)
        over = result.exit_code is not None and not answered_late(result)
        if over and any(item in self.entry.before for item in items):
            before = {item: time for item, time in self.entry.before.items() if item not in items}
            self.journal.note(self.entry, before=before)

    def _items(self, command: str) -> list[str]:
        """What of the scenario a command creates: "service web" and the like."""
        kinds = {verb or "container" for verb, _ in _CREATES.findall(command)}
        words = set(_WORD.findall(command))
        return [
            item
            for item in self.entry.items
            if (split := item.split(" ", 1))[0] in kinds and split[1] in words
        ]
