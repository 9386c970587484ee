"""swarmrig.lock, beside lab.toml: what exactly a lab was made of, so that the next one is the same.

One file for all labs of a folder, made to be handed on with them: an entry for each lab, and in it
one for each provider and architecture, since a colleague's machine may have another. What differs
is told and left as it is, until `inv lock --update` moves on; but a box that has other content
under the same name and version is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from provision.lab.model import Lab
from provision.support import architecture, cache
from provision.support.errors import UserError
from provision.support.files import sweep, write_atomic

NAME = "swarmrig.lock"
_UPDATE = "To go on with what is there now: inv lock --update"


@dataclass(frozen=True)
class Box:
    """A Vagrant box; `checksum` is the SHA-256 of what the box store holds of it.

    A box that was built here has other bytes on each host, from the same recipe: its version.
    """

    name: str
    version: str
    checksum: str


@dataclass(frozen=True)
class Image:
    """The scenario image: its id on the machines, and its digest where a registry gave it one."""

    reference: str
    id: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """What a lab was made of. `asked` is what lab.toml wanted then: another wish, another entry.

    `plugins` gives each plugin's reference the SHA-256 of its archive, "" for one of a registry.
    """

    asked: dict[str, Any]
    box: Box | None
    engines: dict[str, str]
    image: Image
    plugins: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)


def asked(lab: Lab) -> dict[str, Any]:
    """What of a lab's definition the lock is about."""
    wishes: dict[str, Any] = {
        "box": lab.box,
        "box_version": lab.box_version,
        "docker": lab.docker_version,
        "image": lab.image,
    }
    if lab.weave:
        wishes["plugin"] = lab.weave.reference
    return wishes


# -- the file ---------------------------------------------------------------------------------


def file(lab: Lab) -> Path:
    return lab.home / NAME


def place(provider: str) -> str:
    """An entry's name within its lab: provider and architecture, such as "libvirt/amd64"."""
    return provider if provider == "hosts" else f"{provider}/{architecture.debian_architecture()}"


def read(lab: Lab, provider: str) -> Entry | None:
    """The lab's entry, unless there is none or lab.toml asks for something else by now.

    Raises UserError for a file that cannot be read.
    """
    said = _entries(lab).get(lab.name, {}).get(place(provider))
    if said is None:
        return None
    try:
        made = of_up(said)
    except (KeyError, TypeError) as error:
        raise _unreadable(error) from None
    return made if made.asked == asked(lab) else None


def _entries(lab: Lab) -> dict[str, Any]:
    try:
        said = json.loads(file(lab).read_text())
        labs = said["labs"]
        if said["version"] != 1 or not isinstance(labs, dict):
            raise ValueError("it is of another Swarmrig")  # noqa: TRY301 - told below, as the rest
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from None
    return labs


def _unreadable(error: Exception) -> UserError:
    return UserError(
        f"{NAME}: cannot be read: {error}",
        "Take it from version control again, or remove it: the next `inv up` writes it anew.",
    )


def write(lab: Lab, provider: str, entry: Entry | None) -> None:
    """Put an entry into the file, or (None) take it out; the others stay as they are."""
    with FileLock(cache.folder() / "swarmrig.lock.lock"):
        sweep(lab.home, NAME)
        labs = _entries(lab)
        mine = labs.setdefault(lab.name, {})
        mine.pop(place(provider), None)
        if entry:
            mine[place(provider)] = asdict(entry)
        else:
            labs = {name: entries for name, entries in labs.items() if entries}
        text = json.dumps({"version": 1, "labs": labs}, indent=2, sort_keys=True)
        write_atomic(file(lab), text + "\n")


def differences(locked: Entry, seen: Entry) -> list[str]:
    """What is not as it was locked, a line each. Tools are compared where they were looked at."""
    found = []
    for what, was, now in (
        (
            "box",
            locked.box and f"{locked.box.name} {locked.box.version}".strip(),
            seen.box and f"{seen.box.name} {seen.box.version}".strip(),
        ),
        ("image", locked.image.reference, seen.image.reference),
        ("image id", locked.image.id, seen.image.id),
    ):
        if was != now:
            found.append(f"{what}: locked {was or 'none'}, here {now or 'none'}")
    if locked.box and seen.box and found == [] and locked.box.checksum != seen.box.checksum:
        found.append(f"box {seen.box.name} {seen.box.version}: built here, of other bytes")
    for kind, was_all, now_all in (
        ("Docker on", locked.engines, seen.engines),
        ("plugin", locked.plugins, seen.plugins),
        ("", locked.tools, seen.tools),
    ):
        for name in now_all:
            if was_all.get(name) not in (None, now_all[name]):
                found.append(f"{kind} {name}: locked {was_all[name]}, here {now_all[name]}".strip())
    return found


def engine_wanted(lab: Lab, provider: str) -> str:
    """The engine version to install: the locked one, where lab.toml names a part of one."""
    locked = read(lab, provider)
    if not locked or lab.docker_version == "distribution":
        return lab.docker_version
    exact = {number.split("+")[0] for number in locked.engines.values()}
    return exact.pop() if len(exact) == 1 else lab.docker_version


def image_wanted(lab: Lab, provider: str) -> tuple[str, str]:
    """The locked image's reference and digest; ("", "") where nothing is locked."""
    locked = read(lab, provider)
    return (locked.image.reference, locked.image.digest) if locked else ("", "")


def of_up(made: dict[str, Any]) -> Entry:
    """What the last `up` saw, from the lab's state. Raises UserError where it saw nothing."""
    if not made:
        raise UserError("What the lab is made of is not known.", "Run inv up again.")
    return Entry(
        **{
            **made,
            "box": Box(**made["box"]) if made["box"] else None,
            "image": Image(**made["image"]),
        }
    )
