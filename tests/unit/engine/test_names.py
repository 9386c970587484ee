"""The machines' names in /etc/hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import names
from provision.lab import load
from provision.lab.model import Lab
from tests.unit.engine.shell_machine import ShellMachine

THEIRS = b"127.0.0.1 localhost # \xff is no text\n127.0.1.1 a\n10.9.9.9 Db db-old\n\n::1 ip6 v6"
BLOCK = (
    b"# Begin of lab book, written by Swarmrig\n192.168.56.11 a\n192.168.56.12 b\n"
    b"# End of lab book, written by Swarmrig\n"
)


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    made = ShellMachine(tmp_path, "a")
    made.program("getent", "exit 2")
    return made


def lab(folder: Path, *machines: str) -> Lab:
    text = "".join(f'[[machines]]\nname = "{name}"\n' for name in machines)
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    file = tmp_path / "etc" / "hosts"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(THEIRS)
    return file


def bring(machine: Any, made: Lab, journal: Journal | None = None) -> list[str]:
    """What `up` does on that machine, in words; problems and notes as well."""
    journal = journal or Journal()
    seen = names.facts(machine, made, journal.existing)
    said = []
    changes, notes = names.plan(made, {m.name: seen for m in made.machines}, journal.existing)
    for change in changes:
        if change.machine == machine.name:
            said += [change.what, names.apply(made.name, machine, change, journal)]
    return [line for line in [*notes, *said] if line.startswith((machine.name, "enter", "take"))]


def test_the_block_is_written_once_and_the_files_own_bytes_stay(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    hosts.chmod(0o640)
    made = lab(tmp_path, "a", "b")
    assert bring(machine, made) == ["enter a, b in /etc/hosts"]
    assert hosts.read_bytes() == BLOCK + THEIRS
    assert hosts.stat().st_mode & 0o777 == 0o640
    assert bring(machine, made) == []
    assert [path.name for path in hosts.parent.iterdir()] == ["hosts"]


def test_the_block_follows_the_machines_of_the_lab(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    bring(machine, lab(tmp_path, "a", "b", "c"))
    assert b"192.168.56.13 c\n" in hosts.read_bytes()
    bring(machine, lab(tmp_path, "a", "b"))
    assert hosts.read_bytes() == BLOCK + THEIRS


def test_a_symlink_stays_one_and_a_missing_file_is_made(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    hosts.rename(elsewhere)
    hosts.symlink_to(elsewhere)
    bring(machine, lab(tmp_path, "a", "b"))
    assert hosts.is_symlink()
    assert elsewhere.read_bytes() == BLOCK + THEIRS
    hosts.unlink()
    bring(machine, lab(tmp_path, "a", "b"))
    assert hosts.read_bytes() == BLOCK
    assert hosts.stat().st_mode & 0o777 == 0o644


def test_a_file_that_cannot_be_replaced_is_written_in_place(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    number = hosts.stat().st_ino
    machine.program("mv", "echo 'mv: Device or resource busy' >&2; exit 1")
    bring(machine, lab(tmp_path, "a", "b"))
    assert hosts.read_bytes() == BLOCK + THEIRS
    assert hosts.stat().st_ino == number
    assert [path.name for path in hosts.parent.iterdir()] == ["hosts"]


def test_a_file_that_cannot_be_written_or_read_is_told_and_left(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    hosts.unlink()
    machine.program("mv", "echo 'mv: Read-only file system' >&2; exit 1")
    said = bring(machine, lab(tmp_path, "a", "b"))
    assert said[1].startswith("a: /etc/hosts could not be written, and was left as it is: mv: Read")
    hosts.mkdir()
    assert bring(machine, lab(tmp_path, "a", "b")) == [
        "a: /etc/hosts cannot be read: the machines' names are not in it"
    ]


def test_a_block_whose_end_somebody_took_away_costs_none_of_their_lines(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    hosts.write_bytes(b"# Begin of lab book, written by Swarmrig\n" + THEIRS)
    bring(machine, lab(tmp_path, "a", "b"))
    assert hosts.read_bytes() == BLOCK + THEIRS


def test_on_an_existing_host_a_name_that_means_something_is_left_and_told(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    # Of the file "a" (itself) and "db", of its name service "dns" and "same".
    machine.program(
        "getent",
        'case $2 in dns) echo "10.8.8.8 STREAM dns";; same) echo "192.168.56.14 STREAM";; '
        "*) exit 2;; esac",
    )
    made = lab(tmp_path, "a", "db", "dns", "same", "new")
    journal = Journal(tmp_path / "journal.json")
    assert bring(machine, made, journal) == [
        "a: the name db means 10.9.9.9 there, not 192.168.56.12, and was left as it is",
        "a: the name dns means 10.8.8.8 there, not 192.168.56.13, and was left as it is",
        "enter new in /etc/hosts",
    ]
    # What is in the block is the lab's own: it is not taken for somebody else's.
    assert len(bring(machine, made, journal)) == 2
    assert hosts.read_bytes().endswith(THEIRS)


def test_undoing_takes_the_block_out_and_nothing_else(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    journal = Journal(tmp_path / "journal.json")
    bring(machine, lab(tmp_path, "a", "b", "c"), journal)
    bring(machine, lab(tmp_path, "a", "b"), journal)
    (entry,) = journal.of("a")
    assert entry.state == "done"
    outcome = Outcome()
    names.undo(machine, entry, outcome)
    assert hosts.read_bytes() == THEIRS
    assert outcome.removed == ["the lab's names from /etc/hosts on a"]
    names.undo(machine, entry, outcome)
    assert len(outcome.removed) == 1


def test_undoing_removes_a_file_that_was_not_there_before(
    machine: Any, tmp_path: Path, hosts: Path
) -> None:
    hosts.unlink()
    journal = Journal(tmp_path / "journal.json")
    bring(machine, lab(tmp_path, "a", "b"), journal)
    names.undo(machine, journal.of("a")[0], Outcome())
    assert not hosts.exists()


def test_it_is_written_down_before_the_file_is_changed(
    machine: Any, tmp_path: Path, hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.json")

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(names, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        names.apply("book", machine, Change("a", "names", "x", ("1.2.3.4 b",)), journal)
    (entry,) = Journal(tmp_path / "journal.json").of("a")
    assert (entry.state, entry.before) == ("begun", {"lab": "book", "missing": ""})
