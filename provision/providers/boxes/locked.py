"""A box compared with the one in swarmrig.lock."""

from __future__ import annotations

from pathlib import Path

from provision.lab.lockfile import NAME, Box, Entry
from provision.lab.model import Lab
from provision.providers.boxes import store
from provision.providers.boxes.recipe import recipes
from provision.support import files
from provision.support.errors import UserError

# -- what is there ----------------------------------------------------------------------------


def box_of(lab: Lab, provider: str, name: str, version: str) -> Box:
    """A box as the store has it; one that is a file is known by its path in lab.toml."""
    if Path(name).is_file():
        return Box(lab.box, "", files.digest(Path(name)))
    return Box(name, version, store.checksum(name, provider, version))


def check_box(lab: Lab, provider: str, box: tuple[str, str], locked: Entry | None) -> None:
    """Raises UserError where a box (name, version) has other content than the locked one.

    To be asked before a boot, and after one that has downloaded the box. One that is built here
    (a recipe of ours) differs from host to host, and is no error.
    """
    name, version = box
    if not locked or not locked.box or name in recipes():
        return
    was, now = locked.box, box_of(lab, provider, name, version)
    same_name = (was.name, was.version) == (now.name, now.version)
    if same_name and now.checksum and was.checksum and now.checksum != was.checksum:
        raise UserError(
            f"{NAME}: box {now.name} {now.version} is not the one that was locked: its content "
            f"has {now.checksum[:19]}…, locked is {was.checksum[:19]}….",
            f"Remove it (vagrant box remove {now.name}) and try again; or, where you know why it "
            "changed: inv lock --update",
        )
