"""swarmrig.lock, beside lab.toml: what exactly a lab was made of, so that the next one is the same.

One file for all labs of a folder, to be committed with them: an entry for each lab, and in it one
for each provider and architecture, since a colleague's machine may have another. Differences are
reported and left alone until `inv lock --update`; but a box that has other content under the same
name and version is refused.
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
UPDATE = "To lock the current versions: inv lock --update"


@dataclass(frozen=True)
class Box:
    """A Vagrant box; `checksum` is the SHA-256 of its content in the box store.

    A box that was built here differs from host to host; its version names the recipe.
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
    """What a lab was made of. `asked` is what lab.toml asked for: a change makes the entry void.

    `plugins` gives each plugin's reference the SHA-256 of its archive, "" for one of a registry;
    `scripts` gives the SHA-256 of each of the lab's own scripts.
    """

    asked: dict[str, Any]
    box: Box | None
    engines: dict[str, str]
    image: Image
    plugins: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)


def asked(lab: Lab) -> dict[str, Any]:
    """The part of a lab's definition that the lock depends on."""
    wishes: dict[str, Any] = {
        "box": lab.box,
        "box_version": lab.box_version,
        "docker": lab.docker_version,
        "image": lab.image,
    }
    if lab.suite:
        wishes["suite"] = lab.suite
    if boxes := {machine.name: machine.box for machine in lab.machines if machine.box}:
        wishes["boxes"] = boxes
    if lab.weave:
        wishes["plugin"] = lab.weave.reference
    return wishes


# -- the file ---------------------------------------------------------------------------------


def file(lab: Lab) -> Path:
    return lab.home / NAME


def place(provider: str) -> str:
    """An entry's name within its lab: provider and architecture, such as "libvirt/amd64"."""
    return provider if provider == "hosts" else f"{provider}/{architecture.debian_architecture()}"


@dataclass(frozen=True)
class Locked:
    """The entries of one lab as they were read from the file, by `place`."""

    wishes: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def of(self, provider: str) -> Entry | None:
        """The entry for a provider, unless there is none or lab.toml asks for something else."""
        entry = self.entries.get(place(provider))
        return entry if entry and entry.asked == self.wishes else None


def load(lab: Lab) -> Locked:
    """Read the lab's entries, once for a whole command. Raises UserError for an invalid file."""
    try:
        entries = {where: of_up(said) for where, said in _entries(lab).get(lab.name, {}).items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise _unreadable(error) from None
    return Locked(asked(lab), entries)


def read(lab: Lab, provider: str) -> Entry | None:
    """The lab's entry for a provider; see `Locked.of`."""
    return load(lab).of(provider)


def _entries(lab: Lab) -> dict[str, Any]:
    try:
        said = json.loads(file(lab).read_text(encoding="utf-8"))
        labs = said["labs"]
        if said["version"] != 1 or not isinstance(labs, dict):
            raise ValueError("another version of Swarmrig wrote it")  # noqa: TRY301 - as the rest
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from None
    return labs


def _unreadable(error: Exception) -> UserError:
    return UserError(
        f"{NAME}: cannot be read: {error}",
        "Restore it from version control, or remove it: the next `inv up` writes a new one.",
    )


def write(lab: Lab, provider: str, entry: Entry | None) -> None:
    """Write an entry to the file, or (None) remove it; the others are unchanged."""
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
    """What differs from the lock, a line each. Tools are compared where they were looked at."""
    found = [
        f"{what}: locked {was or 'none'}, here {now or 'none'}"
        for what, was, now in (
            ("box", _version(locked.box), _version(seen.box)),
            ("image", locked.image.reference, seen.image.reference),
            ("image id", locked.image.id, seen.image.id),
        )
        if was != now
    ]
    if locked.box and seen.box and not found and locked.box.checksum != seen.box.checksum:
        found.append(f"box {seen.box.name} {seen.box.version}: built here, with other bytes")
    return [
        *found,
        *engine_differences(locked, seen.engines),
        *_changed("plugin ", locked.plugins, seen.plugins),
        *_changed("script ", locked.scripts, seen.scripts),
        *_changed("", locked.tools, seen.tools),
    ]


def engine_differences(locked: Entry, engines: dict[str, str]) -> list[str]:
    """The machines whose engine has another version than the locked one, a line each."""
    return _changed("Docker on ", locked.engines, engines)


def _version(box: Box | None) -> str:
    return f"{box.name} {box.version}".strip() if box else ""


def _changed(kind: str, was: dict[str, str], now: dict[str, str]) -> list[str]:
    return [
        f"{kind}{name}: locked {was[name]}, here {version}"
        for name, version in now.items()
        if was.get(name) not in (None, version)
    ]


def engine_wanted(lab: Lab, locked: Entry | None) -> str:
    """The engine version to install: the locked one, where lab.toml names a part of one."""
    if not locked or lab.docker_version == "distribution":
        return lab.docker_version
    exact = {number.split("+")[0] for number in locked.engines.values()}
    return exact.pop() if len(exact) == 1 else lab.docker_version


def image_wanted(locked: Entry | None) -> tuple[str, str]:
    """The locked image's reference and digest; ("", "") where nothing is locked."""
    return (locked.image.reference, locked.image.digest) if locked else ("", "")


def of_up(made: dict[str, Any]) -> Entry:
    """What the last `up` recorded in the lab's state. Raises UserError where that is nothing."""
    if not made:
        raise UserError("The lab's versions are not recorded.", "Run inv up again.")
    return Entry(
        **{
            **made,
            "box": Box(**made["box"]) if made["box"] else None,
            "image": Image(**made["image"]),
        }
    )
