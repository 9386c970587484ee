"""The engine's settings of lab.toml: over what daemon.json has already, and taken out exactly.

What was written over which text is kept: of an existing host in the journal, of a machine of our
own on the machine itself, so that a checkpoint holds it together with the file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provision.changes.change import Change
from provision.changes.journal import Entry, Journal
from provision.changes.outcome import Outcome
from provision.engine import daemon_config
from provision.engine.daemon_config import FILE
from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

KEPT = "/etc/docker/swarmrig-settings.json"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """Settings that were written: over which text of the file (None: none), and as which text."""

    before: str | None
    after: str | None
    settings: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Written:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Facts:
    """The file's text (None: there is none), and what was written to it, oldest first."""

    text: str | None = None
    written: tuple[Written, ...] = ()


# -- texts of the file ------------------------------------------------------------------------


def merged(text: str | None, settings: Settings) -> str | None:
    """The text with the settings over it: tables key by key, other values in place of the old ones.

    Raises ValueError for a text that is no JSON object.
    """
    there = daemon_config.parsed(text or "")
    wanted = _over(there, settings)
    return text if wanted == there else daemon_config.as_text(wanted)


def without(text: str | None, written: Written) -> str | None:
    """The text as it was before, where it is as it was written; else without our own values."""
    if text is None or text == written.after:
        return None if text is None else written.before
    there = daemon_config.parsed(text)
    rest = _out_of(there, written.settings, daemon_config.parsed(written.before or ""))
    return text if rest == there else daemon_config.as_text(rest)


def _over(there: Settings, ours: Settings) -> dict[str, Any]:
    found = dict(there)
    for key, value in ours.items():
        old = there.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        found[key] = _over(old, value) if both and old is not None else value
    return found


def _out_of(there: Settings, ours: Settings, before: Settings) -> dict[str, Any]:
    """What is there, with the values from before where ours are; what differs is somebody's."""
    found = dict(there)
    for key, value in ours.items():
        if key not in found:
            continue
        now, old = found[key], before.get(key)
        if isinstance(now, dict) and isinstance(value, dict) and now != value:
            found[key] = _out_of(now, value, old if isinstance(old, dict) else {})
        elif now == value and key in before:
            found[key] = old
        elif now == value:
            del found[key]
    return found


# -- machines ---------------------------------------------------------------------------------


def facts(machine: Machine, wanted: Settings, journal: Journal) -> Facts:
    """What is there; on a machine where nothing is to be set or was set, only that is asked."""
    written = tuple(_kept(machine, journal))
    if not wanted and not written:
        return Facts()
    return Facts(_text(machine), written)


def _text(machine: Machine) -> str | None:
    said = machine.run_checked(f"[ ! -e {FILE} ] || {{ echo there; cat {FILE}; }}", 30, sudo=True)
    return said.removeprefix("there\n") if said else None


def _kept(machine: Machine, journal: Journal) -> list[Written]:
    if journal.existing:
        return [_written(entry) for entry in _entries(machine.name, journal)]
    said = machine.run_checked(f"cat {KEPT} 2>/dev/null || true", 30, sudo=True)
    try:
        return [Written.of_json(line) for line in said.splitlines()]
    except (TypeError, ValueError):
        raise MachineError(
            f"{machine.name}: {KEPT} cannot be read.", "Recreate the machine: inv rebuild --cold"
        ) from None


def _entries(host: str, journal: Journal) -> list[Entry]:
    return [entry for entry in journal.of(host) if entry.kind == "settings"]


def _written(entry: Entry) -> Written:
    return Written.of_json(entry.before["written"])


def _texts(machine: str, seen: Facts, wanted: Settings) -> tuple[str | None, str | None]:
    """The file without the lab's settings, and with those that are wanted. Raises UserError."""
    try:
        base = seen.text
        for written in reversed(seen.written):
            base = without(base, written)
        return base, merged(base, wanted) if wanted else base
    except ValueError as error:
        raise UserError(
            f"{machine}: {FILE} is not valid: {error}", "Fix it there; nothing was changed."
        ) from None


def plan(machine: str, seen: Facts, wanted: Settings) -> list[Change]:
    """The change of the file, if it needs one. Raises UserError for a file that is not valid."""
    _, text = _texts(machine, seen, wanted)
    if text == seen.text:
        return []
    gone = sorted({key for one in seen.written for key in one.settings} - set(wanted))
    what = [f"set {', '.join(wanted)} in {FILE}"] if wanted else []
    what += [f"take {', '.join(gone)} out of {FILE}"] if gone else []
    return [Change(machine, "settings", ", ".join([*what, "restart Docker"]), tuple(wanted))]


def apply(
    machine: Machine, change: Change, wanted: Settings, journal: Journal, progress: Progress
) -> None:
    """Write the file and restart the engine, having kept what was there.

    Raises as `daemon_config.replace` does; the old file is then back.
    """
    seen = facts(machine, wanted, journal)
    base, text = _texts(machine.name, seen, wanted)
    if text == seen.text:
        return
    what = ", ".join(wanted) or "no settings of the lab"
    # While it is being written, it may have the old text as well as the new one.
    under_way = Written(seen.text, text, dict(wanted))
    done = Written(base, text, dict(wanted))
    if not journal.existing:
        _keep(machine, [*seen.written, under_way])
        daemon_config.replace(machine, what, text, progress)
        _keep(machine, [done] if wanted else [])
        return
    older = _entries(machine.name, journal)
    entry = journal.begin(change, {"written": under_way.to_json()})
    daemon_config.replace(machine, what, text, progress)
    journal.note(entry, {"written": done.to_json()})
    journal.finish(entry, {})
    for one in older if wanted else [*older, entry]:
        journal.forget(machine.name, one)


def _keep(machine: Machine, written: list[Written]) -> None:
    file = shlex.quote(KEPT)
    script = f"rm -f {file}"
    if written:
        script = (
            f'set -e; umask 077; mkdir -p -m 755 "$(dirname {file})"; cat > {file}.new; '
            f"mv -f {file}.new {file}"
        )
    lines = "".join(f"{one.to_json()}\n" for one in written)
    done = machine.feed(script, lines.encode(), 30, sudo=True)
    if not done.ok:
        raise MachineError(f"{machine.name}: {KEPT} could not be written: {done.last_words}")


def undo(machine: Machine, entry: Entry, outcome: Outcome, progress: Progress) -> None:
    """Give the host its own file back, byte by byte where nobody has changed it since."""
    text = _text(machine)
    written = _written(entry)
    try:
        base = without(text, written)
    except ValueError as error:
        outcome.left.append(f"{FILE} on {machine.name}: it is not valid by now: {error}")
        return
    if base == text:
        return
    daemon_config.replace(machine, "its own settings", base, progress)
    outcome.removed.append(f"{', '.join(written.settings)} from {FILE} on {machine.name}")
