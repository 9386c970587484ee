"""Which box a lab gets: a downloadable one where the host can download, else one built here."""

from __future__ import annotations

import json
import os
import ssl
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

# Vagrant's own default, and the variable by which it asks a private catalogue.
_CATALOGUE, _PRIVATE = "https://vagrantcloud.com/", "VAGRANT_SERVER_URL"
_TLS = "a login page of this network, or a proxy that reads TLS, may be in between"
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
    reason = unreachable() if name else ""
    if name and not reason:
        return Choice(name, None, f"{catalogue()} answers, so it can be downloaded")
    none = _not_reached(reason) if name else f"no box of {lab.suite} is published"
    if backend.builds_boxes:
        log(f"{none}: building a box from Debian's packages")
        return _built(build.build(recipe, log), f"built here, since {none}")
    if not name:
        raise UserError(
            f"{lab.file.name}: suite: {none} for {provider}.",
            f"Take suite = {' or '.join(map(repr, backend.boxes))}, or name a box.",
        )
    raise UserError(
        f"Box {name} for {provider} is not in Vagrant's box store, and {none}.",
        "Add it where there is a network (vagrant box add), or use libvirt: inv box builds one.",
    )


def is_debian(backend: Backend, box: str) -> bool:
    """Whether a box is known to have a Debian in it: one built here, or a published one."""
    return box in recipes() or box in backend.boxes.values()


def _locked(provider: str, name: str, version: str) -> Choice | None:
    why = "it is the one in swarmrig.lock"
    ours = recipes().get(name)
    if ours and (cached := build.cached(ours)) and cached.version == version:
        return _built(cached, why)
    if store.stored(name, provider, version) or (not ours and not unreachable()):
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
    if not store.stored(lab.box, provider) and (reason := unreachable()):
        raise UserError(
            f"{lab.file.name}: box: {lab.box!r} for {provider} is not in Vagrant's box store, and "
            f"{_not_reached(reason)}.",
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
        elif reason := unreachable():
            raise UserError(
                f"{lab.file.name}: machines[{number}].box: {box!r} for {provider} is not in "
                f"Vagrant's box store, and {_not_reached(reason)}.",
                "Add it where there is a network (vagrant box add).",
            )


def _not_reached(reason: str) -> str:
    return f"{catalogue()} cannot be reached ({reason})"


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


def catalogue() -> str:
    """The address of the catalogue that Vagrant downloads boxes from."""
    return os.environ.get(_PRIVATE) or _CATALOGUE


def unreachable() -> str:
    """Why the catalogue does not answer within a few seconds, in words; "" where it does.

    Whether its certificate is right is Vagrant's to decide, which brings authorities of its own.
    """
    try:
        request = urllib.request.Request(catalogue(), method="HEAD")  # noqa: S310 - the user's own
        with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310 - as above
            return ""
    except urllib.error.HTTPError:
        return ""
    except OSError as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLCertVerificationError):
            return str(reason)
        return "" if without_authorities() else f"{reason.verify_message}; {_TLS}"
    except ValueError as error:
        return f"{_PRIVATE}: {error}"


def without_authorities() -> bool:
    """Whether this Python knows no certificate authority: python.org's, on macOS, as installed."""
    paths = ssl.get_default_verify_paths()
    return not (paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))
