"""What was done to hosts that exist already, written down before each change.

`up` and scenarios write it; what a scenario has undone itself is struck out again. It is what
`destroy` undoes, and nothing else is: an entry that is only begun (the command was killed in the
middle) is undone as well, by what was there before.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from provision.changes.change import Change, Kind
from provision.lab.model import Lab
from provision.support.errors import MachineError
from provision.support.files import write_atomic

MADE = ("swarm-init", "swarm-join", "swarm-recover")
MEMBERSHIPS = (*MADE, "swarm-adopt")


class Entry(BaseModel):
    """One change to one host.

    `before` is what was there: text by name, each kind of change has its own names. `after` is
    what came of it, empty as long as it is only begun.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    what: str
    items: tuple[str, ...] = ()
    state: Literal["begun", "done"] = "begun"
    started: str = ""
    before: dict[str, str] = {}
    after: dict[str, str] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hosts: dict[str, list[Entry]] = {}


def of_lab(lab: Lab) -> Journal:
    """What was done to hosts that exist already; nothing is kept of machines that are our own."""
    return Journal(lab.files.journal if lab.provider == "hosts" else None)


class Journal:
    """The journal of one lab; without a path it keeps nothing (machines that are ours anyway).

    Safe to use from several threads at once. Raises MachineError where it cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = _File()
        if path and path.exists():
            try:
                self._file = _File.model_validate_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, ValidationError) as error:
                raise MachineError(
                    f"{path} cannot be read: {str(error).splitlines()[0]}",
                    "It records what Swarmrig has done to your hosts: fix it, or move it away.",
                ) from None

    @property
    def existing(self) -> bool:
        """Whether the machines are hosts that existed before, and may have what is not ours."""
        return self.path is not None

    def owns(self, host: str, node_id: str) -> bool:
        """Whether the lab has made a host's membership in its swarm, as the node `node_id`.

        A membership that was begun and never written down as done is taken for it: the host was
        in no swarm when it was begun. An adopted one is never the lab's own.
        """
        return not self.existing or any(
            entry.kind in MADE and entry.after.get("node", node_id) == node_id
            for entry in self.of(host)
        )

    def joined(self, host: str) -> set[str]:
        """The ids of the nodes that the lab has made of a host, one for each time it joined."""
        entries = (entry for entry in self.of(host) if entry.kind in MADE)
        return {entry.after["node"] for entry in entries if entry.after.get("node")}

    def cut_off(self, host: str) -> str:
        """How a host was last put into a swarm ("swarm-init", …), where that is begun and was
        never written down as done; else ""."""
        entries = [entry for entry in self.of(host) if entry.kind in MADE]
        return entries[-1].kind if entries and entries[-1].state == "begun" else ""

    def adopts(self, host: str, node_id: str) -> bool:
        """Whether a host is, as the node `node_id`, in the swarm that the lab has adopted."""
        return any(e.kind == "swarm-adopt" and node_id in e.items for e in self.of(host))

    def adopted(self, host: str) -> bool:
        """Whether a host was in somebody else's swarm, which the lab uses and must not change."""
        return any(entry.kind == "swarm-adopt" for entry in self.of(host))

    def of(self, host: str) -> list[Entry]:
        """What was done to a host, oldest first."""
        return list(self._file.hosts.get(host, []))

    def hosts(self) -> list[str]:
        return [name for name, entries in self._file.hosts.items() if entries]

    @contextlib.contextmanager
    def writing(self, change: Change, before: dict[str, str] | None = None) -> Iterator[Entry]:
        """Write a change down, let the block make it, and write down what came of it.

        The block puts that into the entry's `after`. When it fails, the entry stays begun.
        """
        entry = self.begin(change, before)
        yield entry
        self.finish(entry, entry.after)

    def begin(self, change: Change, before: dict[str, str] | None = None) -> Entry:
        """Write down a change that comes now."""
        entry = Entry(
            kind=change.kind,
            what=change.what,
            items=change.items,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            before=before or {},
        )
        with self._lock:
            self._file.hosts.setdefault(change.machine, []).append(entry)
            self._write()
        return entry

    def finish(self, entry: Entry, after: dict[str, str]) -> None:
        """What came of a change is known."""
        with self._lock:
            entry.after, entry.state = after, "done"
            self._write()

    def note(
        self, entry: Entry, before: dict[str, str], after: dict[str, str] | None = None
    ) -> None:
        """More is known of a change that is under way."""
        with self._lock:
            entry.before = before
            entry.after = entry.after if after is None else after
            self._write()

    def forget(self, host: str, entry: Entry) -> None:
        """An entry is undone, or void."""
        with self._lock:
            self._file.hosts[host].remove(entry)
            self._write()

    def about(self, host: str, kind: Kind, items: tuple[str, ...]) -> list[Entry]:
        """What is written of a host about just these things."""
        return [e for e in self.of(host) if (e.kind, e.items) == (kind, items)]

    def strike_out(self, host: str, kind: Kind, items: tuple[str, ...]) -> None:
        """These things are gone from the host: nothing of them is to be undone any more."""
        for entry in self.about(host, kind, items):
            self.forget(host, entry)

    def _write(self) -> None:
        if self.path:
            # Only the owner may read it: it tells what is on other people's machines.
            write_atomic(self.path, self._file.model_dump_json(indent=1) + "\n", mode=0o600)
