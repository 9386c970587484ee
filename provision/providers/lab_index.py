"""Which labs there are on this host, so that two of them do not get into each other's way.

Each lab that comes up leaves a note outside its folder ($SWARMRIG_REGISTRY, else in the cache). A
note counts only as long as its lab is really there: nobody needs to clean up after a folder that
was deleted, or machines that were removed by other means.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from filelock import FileLock

from provision.lab.lock import is_held
from provision.lab.model import Lab
from provision.providers.libvirt import inventory
from provision.support import cache
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic


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
    return [note for note in _notes() if Path(note.state) != lab.state and _is_there(note)]


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


def _notes() -> list[Note]:
    notes = []
    for file in sorted(_folder().glob("*.json")):
        with contextlib.suppress(OSError, TypeError, ValueError):
            notes.append(Note(**json.loads(file.read_text())))
    return notes


def _is_there(note: Note) -> bool:
    """Whether a command is at work on the lab, or it has machines."""
    state = Path(note.state)
    if not state.is_dir():
        return False
    if is_held(state):
        return True
    if note.provider == "libvirt":
        try:
            return inventory.has_machines_of(state)
        except MachineError:
            return False  # libvirt is gone from this host
    return any(state.glob("vagrant/machines/*/*/id"))


def _folder() -> Path:
    given = os.environ.get("SWARMRIG_REGISTRY")
    return Path(given) if given else cache.folder() / "labs"


def _file(state: Path) -> Path:
    return _folder() / f"{hashlib.sha256(str(state).encode()).hexdigest()[:16]}.json"
