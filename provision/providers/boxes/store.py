"""Vagrant's box store, read from its folders without starting Vagrant."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from provision.support import architecture, cache
from provision.support.files import write_atomic


def store() -> Path:
    """Vagrant's box store ($VAGRANT_HOME/boxes)."""
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d") / "boxes"


def stored(name: str, provider: str, version: str | None = None) -> bool:
    """Whether the box store holds a box: looked up in its folders, without starting Vagrant."""
    place = store() / name.replace("/", "-VAGRANTSLASH-")
    # Vagrant 2.4 has put a folder for the architecture between version and provider.
    patterns = (f"{version or '*'}/{provider}", f"{version or '*'}/*/{provider}")
    return any(any(place.glob(pattern)) for pattern in patterns)


def checksum(name: str, provider: str, version: str) -> str:
    """SHA-256 over a box's files as the store has them ("sha256:…"), "" where it has none.

    Disks are large: the sum is taken once, and again when size or time of a file has changed.
    """
    place = folder(name, provider, version)
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place else []
    if not files:
        return ""
    states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(json.dumps([list(map(str, files)), states]).encode()).hexdigest()
    kept = cache.folder() / "box-checksums" / key
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            total.update(f"{file.name}\0".encode())
            total.update(hashlib.file_digest(content, "sha256").digest())
    write_atomic(kept, f"sha256:{total.hexdigest()}")
    return kept.read_text(encoding="utf-8")


def disk(name: str, provider: str, version: str) -> Path | None:
    """The disk of a box in the store; None where it has none of its own (libvirt's have)."""
    place = folder(name, provider, version)
    return next(iter(place.glob("box.img")), None) if place else None


def folder(name: str, provider: str, version: str) -> Path | None:
    """Where the store has a box: since Vagrant 2.4 there is a folder for the architecture."""
    root = store() / name.replace("/", "-VAGRANTSLASH-") / version
    places = (
        root / architecture.debian_architecture() / provider,
        root / provider,
        *root.glob(f"*/{provider}"),
    )
    return next((place for place in places if version and place.is_dir()), None)
