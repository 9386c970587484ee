"""Which labs there are on this host, so that two of them do not get into each other's way.

Each lab that comes up leaves a note outside its folder. A note counts only as long as the folder
that it speaks of has a lab: nobody needs to clean up after a folder that was deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from filelock import FileLock

from provision import cache
from provision.definition import Lab
from provision.errors import UserError
from provision.files import write_atomic


@dataclass(frozen=True)
class Note:
    """A lab that came up here: its name, its file, its state folder, and its two networks."""

    name: str
    file: str
    state: str
    provider: str
    subnet: str
    management: str


def others(lab: Lab) -> list[Note]:
    """The labs of other folders (and other names) that are there."""
    return [note for note in _living() if Path(note.state) != lab.state]


def clashes(lab: Lab, provider: str) -> list[str]:
    """What another lab of this host has already, a line each: the name, or a network."""
    found = []
    for note in others(lab):
        where = f"lab {note.name!r} of {note.file}"
        if note.name == lab.name and note.provider == provider:
            found.append(
                f"{lab.file.name}: name: {where} is up; machines of two labs of one name cannot "
                "be told apart"
            )
        wanted = {"network.subnet": lab.subnet}
        theirs = {"network.subnet": note.subnet}
        if "libvirt" in (provider, note.provider):
            wanted["network.management"] = lab.management_subnet
            theirs["network.management"] = note.management
        for key, mine in wanted.items():
            for their_key, their in theirs.items():
                if IPv4Network(mine).overlaps(IPv4Network(their)):
                    found.append(
                        f"{lab.file.name}: {key}: {mine} overlaps {their}, the {their_key} of "
                        f"{where}"
                    )
    return found


def register(lab: Lab, provider: str) -> None:
    """Note the lab, unless it clashes with one that is noted. Raises UserError that names both.

    Looking and noting are one: of two labs that come up at the same moment, one is told.
    """
    if provider == "hosts":
        return  # machines that exist share nothing with this host
    with _turn():
        if found := clashes(lab, provider):
            raise UserError(
                "\n".join(found), "Take another in lab.toml, or remove that lab: inv destroy there."
            )
        lab.state.mkdir(parents=True, exist_ok=True)
        note = Note(
            lab.name,
            str(lab.file),
            str(lab.state),
            provider,
            lab.subnet,
            lab.management_subnet,
        )
        write_atomic(_file(lab.state), json.dumps(asdict(note), indent=2) + "\n")


def forget(state: Path) -> None:
    """The lab is gone."""
    _file(state).unlink(missing_ok=True)


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    with FileLock(cache.folder() / "labs.lock"):
        yield


def _living() -> list[Note]:
    notes = []
    for file in sorted(_folder().glob("*.json")):
        try:
            note = Note(**json.loads(file.read_text()))
        except (OSError, TypeError, ValueError):
            continue
        if Path(note.state).is_dir():
            notes.append(note)
    return notes


def _folder() -> Path:
    return cache.folder() / "labs"


def _file(state: Path) -> Path:
    return _folder() / f"{hashlib.sha256(str(state).encode()).hexdigest()[:16]}.json"
