"""The labs of this host, so that two of them do not use the same name or network.

Each lab that comes up leaves a note outside its folder ($SWARMRIG_REGISTRY, else in the cache). A
note counts only as long as its lab exists: nobody needs to clean up after a folder that was
deleted, or machines that were removed by other means.
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
from provision.providers.backend import Backend
from provision.providers.backends import registry
from provision.support import cache
from provision.support.errors import UserError
from provision.support.files import write_atomic

ADVICE = "Take another in lab.toml, or remove that lab: inv destroy there."


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
    """The existing labs of other folders, or of other names."""
    own = lab.state.resolve()
    return [note for note in _notes() if _resolved(note) != own and _exists(note)]


def clashes(lab: Lab, provider: str) -> list[str]:
    """What another lab of this host has already, a line each: the name, or a network."""
    found = []
    management = _has_management(provider)
    for note in others(lab):
        where = f"lab {note.name!r} of {note.file}"
        if note.name == lab.name and note.provider == provider:
            found.append(
                f"{lab.file.name}: name: {where} is up; machines of two labs of one name cannot "
                "be told apart"
            )
        wanted = {"network.subnet": lab.subnet}
        theirs = {"network.subnet": note.subnet}
        if management:
            wanted["network.management"] = lab.management_subnet
        if _has_management(note.provider):
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

    Both under one lock: of two labs that come up at the same moment, one gets the error.
    """
    if provider == "hosts":
        return  # existing machines share nothing with this host
    with _locked():
        if found := clashes(lab, provider):
            raise UserError("\n".join(found), ADVICE)
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
    """Remove the lab's note: the lab is gone."""
    _file(state).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    with FileLock(cache.folder() / "labs.lock"):
        yield


def _notes() -> list[Note]:
    notes = []
    for file in sorted(_folder().glob("*.json")):
        with contextlib.suppress(OSError, TypeError, ValueError):
            notes.append(Note(**json.loads(file.read_text(encoding="utf-8"))))
    return notes


def _exists(note: Note) -> bool:
    """Whether a command works on the lab, or it has machines.

    A folder that this user may not look into is another user's, and counts as a lab that exists.
    """
    state = Path(note.state)
    try:
        if not state.is_dir():
            return False
        return is_held(state) or _backend(note.provider).has_machines(state)
    except PermissionError:
        return True


def _backend(provider: str) -> Backend:
    """What is known of a provider; of one of another version of Swarmrig what holds for most."""
    return registry.find(provider) or Backend()


def _has_management(provider: str) -> bool:
    return _backend(provider).management_network


def _resolved(note: Note) -> Path:
    try:
        return Path(note.state).resolve()
    except OSError:
        return Path(note.state)


def _folder() -> Path:
    given = os.environ.get("SWARMRIG_REGISTRY")
    return Path(given) if given else cache.folder() / "labs"


def _file(state: Path) -> Path:
    return _folder() / f"{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:16]}.json"
