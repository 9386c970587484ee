"""Which box a lab gets: a downloadable one where the host can download, else one built here."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provision import box as built
from provision import cache
from provision.definition import Lab
from provision.errors import UserError
from provision.files import write_atomic

CATALOGUE = "https://vagrantcloud.com/"
# A Debian 12 box for each provider. bento's and cloud-image's come for amd64 and arm64, Debian's
# own for amd64 alone.
_DOWNLOADABLE: dict[str | tuple[str, str], str] = {
    ("libvirt", "amd64"): "debian/bookworm64",
    ("libvirt", "arm64"): "cloud-image/debian-12",
    "virtualbox": "bento/debian-12",
    "vmware_desktop": "bento/debian-12",
    "parallels": "bento/debian-12",
    "hyperv": "generic/debian12",
}
PATIENCE = 4  # seconds; an offline host answers at once, a captive network may not answer at all


@dataclass(frozen=True)
class Choice:
    """The box's name and version as Vagrant takes them, and why it is this one.

    `add` is a catalogue file to give to `vagrant box add`, where the box is one built here.
    """

    name: str
    version: str | None
    why: str
    add: Path | None = None


def choose(
    lab: Lab,
    provider: str,
    log: Callable[[str], None],
    locked: tuple[str, str] | None = None,
) -> Choice:
    """The box for a lab: the locked name and version where they can be had.

    Raises UserError where no box is here or to be downloaded.
    """
    if locked and (choice := _locked(provider, *locked)):
        return choice
    if lab.box != "auto":
        return _named(lab, provider)
    key = (provider, built.architecture()) if provider == "libvirt" else provider
    name = _DOWNLOADABLE[key]
    if stored(name, provider):
        return Choice(name, None, "it is in Vagrant's box store already")
    if provider == "libvirt" and (there := built.cached()):
        return _built(there, "it was built here before (inv box)")
    if downloadable():
        return Choice(name, None, f"{CATALOGUE} answers, so it can be downloaded")
    if provider == "libvirt":
        log(f"{CATALOGUE} cannot be reached: building a box from Debian's packages")
        return _built(built.build(log=log), "no box can be downloaded here, so one was built")
    raise UserError(
        f"Box {name} for {provider} is not here, and {CATALOGUE} cannot be reached.",
        "Add it where there is a network (vagrant box add), or use libvirt: inv box builds one.",
    )


def _locked(provider: str, name: str, version: str) -> Choice | None:
    why = "it is the one in swarmrig.lock"
    ours = {built.name_for(docker): docker for docker in (True, False)}
    if name in ours and (there := built.cached(ours[name])) and there.version == version:
        return _built(there, why)
    if stored(name, provider, version) or (name not in ours and downloadable()):
        return Choice(name, version, why)
    return None


def _named(lab: Lab, provider: str) -> Choice:
    ours = {built.name_for(docker): docker for docker in (True, False)}
    if lab.box in ours:
        there = built.cached(ours[lab.box])
        if not there:
            raise UserError(
                f"Box {lab.box} has not been built yet.",
                "Build it: inv box" + ("" if ours[lab.box] else " --plain"),
            )
        return _built(there, "named in lab.toml")
    file = lab.home / lab.box
    if lab.box.endswith(".box") and file.is_file():
        return Choice(str(file), None, "a file named in lab.toml")
    if not stored(lab.box, provider) and not downloadable():
        raise UserError(
            f"{lab.file.name}: box: {lab.box!r} for {provider} is not in Vagrant's box store, and "
            f"{CATALOGUE} cannot be reached.",
            'Add it where there is a network (vagrant box add), or take box = "auto".',
        )
    return Choice(lab.box, lab.box_version, "named in lab.toml")


def _built(there: built.BoxFile, why: str) -> Choice:
    """A built box, with the catalogue file that gives Vagrant its version and checksum.

    Source: https://developer.hashicorp.com/vagrant/docs/boxes/format#box-metadata
    """
    catalogue = {
        "name": there.name,
        "versions": [
            {
                "version": there.version,
                "providers": [
                    {
                        "name": there.provider,
                        "url": there.path.as_uri(),
                        "checksum_type": "sha256",
                        "checksum": there.sha256,
                    }
                ],
            }
        ],
    }
    file = write_atomic(there.path.parent / "catalogue.json", json.dumps(catalogue, indent=2))
    in_store = stored(there.name, there.provider, there.version)
    return Choice(there.name, there.version, why, None if in_store else file)


def store() -> Path:
    """Vagrant's box store ($VAGRANT_HOME/boxes)."""
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d") / "boxes"


def stored(name: str, provider: str, version: str | None = None) -> bool:
    """Whether the box store holds a box: looked up in its folders, without starting Vagrant."""
    folder = store() / name.replace("/", "-VAGRANTSLASH-")
    # Vagrant 2.4 has put a folder for the architecture between version and provider.
    patterns = (f"{version or '*'}/{provider}", f"{version or '*'}/*/{provider}")
    return any(any(folder.glob(pattern)) for pattern in patterns)


def checksum(name: str, provider: str, version: str) -> str:
    """SHA-256 over a box's files as the store has them ("sha256:…"), "" where it has none.

    Disks are large: the sum is taken once, and again when size or time of a file has changed.
    """
    folder = _stored_in(name, provider, version)
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if folder else []
    if not files:
        return ""
    states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(json.dumps([list(map(str, files)), states]).encode()).hexdigest()
    kept = cache.folder() / "box-checksums" / key
    if kept.is_file():
        return kept.read_text()
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            total.update(f"{file.name}\0".encode())
            total.update(hashlib.file_digest(content, "sha256").digest())
    write_atomic(kept, f"sha256:{total.hexdigest()}")
    return kept.read_text()


def disk(name: str, provider: str, version: str) -> Path | None:
    """A libvirt box's disk in the store, where it is there."""
    folder = _stored_in(name, provider, version)
    return next(iter(folder.glob("box.img")), None) if folder else None


def _stored_in(name: str, provider: str, version: str) -> Path | None:
    """Where the store has a box: since Vagrant 2.4 there is a folder for the architecture."""
    root = store() / name.replace("/", "-VAGRANTSLASH-") / version
    places = (root / built.architecture() / provider, root / provider, *root.glob(f"*/{provider}"))
    return next((place for place in places if version and place.is_dir()), None)


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
