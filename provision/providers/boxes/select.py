"""Which box a lab gets: a downloadable one where the host can download, else one built here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provision.lab.model import Lab
from provision.providers.backend import Backend
from provision.providers.boxes import build, store
from provision.providers.boxes.recipe import SUITE, Recipe, recipes
from provision.support.errors import UserError
from provision.support.files import write_atomic

CATALOGUE = "https://vagrantcloud.com/"
PATIENCE = 4  # seconds; offline this fails at once, on a captive network it may never answer


@dataclass(frozen=True)
class Choice:
    """The box's name and version as Vagrant takes them, and the reason for the choice.

    `add` is a catalogue file for `vagrant box add`, where the box was built here.
    """

    name: str
    version: str | None
    why: str
    add: Path | None = None


def choose(
    lab: Lab,
    backend: Backend,
    log: Callable[[str], None],
    locked: tuple[str, str] | None = None,
) -> Choice:
    """The box for a lab: the locked name and version where they can be had.

    Raises UserError where no box is in the store, to be downloaded or to be built.
    """
    provider = backend.name
    if locked and (choice := _locked(provider, *locked)):
        return choice
    if lab.box != "auto":
        return _named(lab, provider)
    name = backend.default_box(lab.suite)
    if name and store.stored(name, provider):
        return Choice(name, None, "it is in Vagrant's box store already")
    recipe = Recipe(lab.suite or SUITE)
    if backend.builds_boxes and (cached := build.cached(recipe)):
        return _built(cached, "it was built here before (inv box)")
    if name and downloadable():
        return Choice(name, None, f"{CATALOGUE} answers, so it can be downloaded")
    none = f"{CATALOGUE} cannot be reached" if name else f"no box of {lab.suite} is published"
    if backend.builds_boxes:
        log(f"{none}: building a box from Debian's packages")
        return _built(build.build(recipe, log), f"built here, since {none}")
    if not name:
        raise UserError(
            f"{lab.file.name}: suite: {none} for {provider}.",
            f"Take suite = {' or '.join(map(repr, backend.boxes))}, or name a box.",
        )
    raise UserError(
        f"Box {name} for {provider} is not in Vagrant's box store, and {CATALOGUE} cannot be "
        "reached.",
        "Add it where there is a network (vagrant box add), or use libvirt: inv box builds one.",
    )


def _locked(provider: str, name: str, version: str) -> Choice | None:
    why = "it is the one in swarmrig.lock"
    ours = recipes().get(name)
    if ours and (cached := build.cached(ours)) and cached.version == version:
        return _built(cached, why)
    if store.stored(name, provider, version) or (not ours and downloadable()):
        return Choice(name, version, why)
    return None


def _named(lab: Lab, provider: str) -> Choice:
    if recipe := recipes().get(lab.box):
        cached = build.cached(recipe)
        if not cached:
            raise UserError(
                f"Box {lab.box} has not been built yet.",
                f"Build it: inv box --suite {recipe.suite}" + ("" if recipe.docker else " --plain"),
            )
        return _built(cached, "named in lab.toml")
    file = lab.home / lab.box
    if lab.box.endswith(".box") and file.is_file():
        return Choice(str(file), None, "a file named in lab.toml")
    if not store.stored(lab.box, provider) and not downloadable():
        raise UserError(
            f"{lab.file.name}: box: {lab.box!r} for {provider} is not in Vagrant's box store, and "
            f"{CATALOGUE} cannot be reached.",
            'Add it where there is a network (vagrant box add), or take box = "auto".',
        )
    return Choice(lab.box, lab.box_version, "named in lab.toml")


def check_machines(lab: Lab, provider: str) -> None:
    """Raises UserError where the box of a single machine can be had in no way."""
    for number, machine in enumerate(lab.machines, start=1):
        box = machine.box
        if not box or store.stored(box, provider):
            continue
        if box.endswith(".box"):
            if not (lab.home / box).is_file():
                raise UserError(f"{lab.file.name}: machines[{number}].box: there is no file {box}")
        elif not downloadable():
            raise UserError(
                f"{lab.file.name}: machines[{number}].box: {box!r} for {provider} is not in "
                f"Vagrant's box store, and {CATALOGUE} cannot be reached.",
                "Add it where there is a network (vagrant box add).",
            )


def _built(box: build.BoxFile, why: str) -> Choice:
    """A built box, with the catalogue file that gives Vagrant its version and checksum.

    Source: https://developer.hashicorp.com/vagrant/docs/boxes/format#box-metadata
    """
    catalogue = {
        "name": box.name,
        "versions": [
            {
                "version": box.version,
                "providers": [
                    {
                        "name": box.provider,
                        "url": box.path.as_uri(),
                        "checksum_type": "sha256",
                        "checksum": box.sha256,
                    }
                ],
            }
        ],
    }
    file = write_atomic(box.path.parent / "catalogue.json", json.dumps(catalogue, indent=2))
    in_store = store.stored(box.name, box.provider, box.version)
    return Choice(box.name, box.version, why, None if in_store else file)


def downloadable() -> bool:
    """Whether Vagrant's public catalogue answers within a few seconds."""
    request = urllib.request.Request(CATALOGUE, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310 - a constant https URL
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
