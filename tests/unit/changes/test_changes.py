"""Changes are printed for every machine, and recorded before they are made."""

from __future__ import annotations

import contextlib
from pathlib import Path

from provision.changes import change
from provision.changes.change import Change
from provision.changes.journal import Journal


def test_changes_are_shown_for_every_machine() -> None:
    text = change.as_text(["a", "b"], [Change("a", "daemon", "start it", script="one\ntwo")])
    assert text == "a:\n  - start it\n      one\n      two\nb: nothing to do"


def test_a_change_is_written_down_before_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "journal.json"
    journal = Journal(file)
    change = Change("a", "image", "x", ("i:1",))
    with contextlib.suppress(RuntimeError), journal.writing(change, {"i:1": "old"}):
        assert Journal(file).of("a")[0].state == "begun"
        raise RuntimeError
    (entry,) = Journal(file).of("a")
    assert (entry.state, entry.before, entry.after) == ("begun", {"i:1": "old"}, {})
    assert file.stat().st_mode & 0o077 == 0
    Journal(file).forget("a", entry)
    assert Journal(file).hosts() == []
