"""What is noted of a checkpoint beside what the provider keeps: of which definition it is.

`checkpoints/<name>.json` in the lab's state has a fingerprint and what `up` had brought up;
`checkpoints/<name>.toml` is the definition that the machines were brought up with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from provision.lab.model import Lab
from provision.lab.state import LabState
from provision.support.errors import MachineError
from provision.support.files import write_atomic


@dataclass(frozen=True)
class Kept:
    """What is noted of a checkpoint. `lab` and `machines` are fingerprints; `ready` is ready.json's
    content; `whole` is false while the machines are being saved.
    """

    made: str
    lab: str
    machines: dict[str, str]
    ready: dict[str, Any]
    whole: bool = False
    addresses: dict[str, str] = field(default_factory=dict)


def fingerprint(lab: Lab) -> str:
    """A short hash of everything a lab is made of: its definition and its image archives."""
    # The same definition in another folder is the same lab.
    parts = {**dataclasses.asdict(lab), "file": ""}
    parts["image_archives"] = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in lab.image_archives
        if path.is_file()
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def noted(lab: Lab) -> dict[str, Kept]:
    """What is noted of each checkpoint, by name."""
    found = {}
    for file in sorted(lab.files.checkpoints.glob("*.json")):
        try:
            found[file.stem] = Kept(**json.loads(file.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise MachineError(
                f"{file} cannot be read: {error}", "Remove it, and save the checkpoint again."
            ) from None
    return found


def write(lab: Lab, name: str, kept: Kept) -> None:
    """Note a checkpoint, with the applied definition. It can hold secrets."""
    files = lab.files
    if files.applied.exists():
        write_atomic(_definition(files, name), files.applied.read_bytes(), mode=0o600)
    note = json.dumps(asdict(kept), indent=2) + "\n"
    write_atomic(files.checkpoints / f"{name}.json", note)


def addresses(lab: Lab) -> dict[str, str]:
    """The addresses assigned to the lab's machines."""
    with suppress(OSError, ValueError):
        return dict(json.loads(lab.files.addresses.read_text(encoding="utf-8")))
    return {}


def restored(lab: Lab, name: str) -> None:
    """The machines are as at the checkpoint: so are the applied definition and ready.json."""
    files = lab.files
    kept = noted(lab).get(name)
    if kept is None:
        return
    write_atomic(files.ready, json.dumps(kept.ready, indent=2) + "\n")
    if _definition(files, name).exists():
        write_atomic(files.applied, _definition(files, name).read_bytes(), mode=0o600)
        files.pending.unlink(missing_ok=True)
    if kept.addresses:
        now = {**addresses(lab), **kept.addresses}
        write_atomic(files.addresses, json.dumps(now, indent=2) + "\n")


def forget(lab: Lab, name: str) -> None:
    for file in (lab.files.checkpoints / f"{name}.json", _definition(lab.files, name)):
        file.unlink(missing_ok=True)


def _definition(files: LabState, name: str) -> Path:
    return files.checkpoints / f"{name}.toml"
