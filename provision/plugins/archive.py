"""A plugin's archive: a tar of config.json and rootfs/, checked before anything is unpacked."""

from __future__ import annotations

import functools
import json
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from provision.support.errors import UserError

# -- what an archive holds ----------------------------------------------------------------------

# The character devices that a container's own /dev has: full, null, zero, random, urandom, tty, …
_PLAIN_DEVICES = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)}


def read_archive(archive: Path) -> dict[str, Any]:
    """The config.json of a plugin archive, whose every member has been looked at.

    An archive is unpacked by root on every machine. So it holds config.json and rootfs/ and
    nothing that could land elsewhere: no way out by `..`, an absolute name or a link that a later
    member is written through. Raises UserError that names the archive and the member.
    """
    try:
        there = archive.stat()
    except OSError as error:
        raise _bad(archive, f"it cannot be read: {error.strerror}") from None
    return _read(archive, there.st_mtime_ns, there.st_size)


# It is asked about for each machine, and unpacking it takes a second.
@functools.lru_cache(maxsize=8)
def _read(archive: Path, _changed: int, _size: int) -> dict[str, Any]:
    symlinks: set[PurePosixPath] = set()
    config: dict[str, Any] | None = None
    rootfs = False
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if wrong := _unsafe(member, path, symlinks):
                    raise _bad(archive, f"{member.name!r} {wrong}")
                if member.issym():
                    symlinks.add(path)
                rootfs = rootfs or path.parts[:1] == ("rootfs",)
                if path == PurePosixPath("config.json"):
                    config = _config(archive, tar, member)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise _bad(archive, f"it cannot be read: {error}") from None
    if config is None or not rootfs:
        raise _bad(archive, f"it has no {'rootfs/' if config is not None else 'config.json'}")
    return config


def _config(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    file = tar.extractfile(member)
    try:
        config = json.load(file) if file else None
    except ValueError as error:
        raise _bad(archive, f"its config.json is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise _bad(archive, "its config.json is not a JSON object")
    return config


def _unsafe(member: tarfile.TarInfo, path: PurePosixPath, symlinks: set[PurePosixPath]) -> str:
    """What is wrong with a member, in words; "" for one that stays where it belongs."""
    if path.is_absolute() or ".." in path.parts:
        return "would land outside of the folder it is unpacked in"
    if any(parent in symlinks for parent in path.parents):
        return "would be written through a symbolic link"
    if path.parts and path.parts[0] not in {"rootfs", "config.json"}:
        return "is neither config.json nor in rootfs/"
    if member.islnk():
        target = PurePosixPath(member.linkname)
        if target.is_absolute() or ".." in target.parts or target.parts[:1] != ("rootfs",):
            return "is a link to something outside of rootfs/"
    plain = member.ischr() and (member.devmajor, member.devminor) in _PLAIN_DEVICES
    if member.isdev() and not (member.isfifo() or plain):
        return "is a device"
    return ""


def _bad(archive: Path, what: str) -> UserError:
    return UserError(
        f"weave.plugin_archive: {archive.name} is not a plugin's archive: {what}.",
        "It is a tar or tar.gz of config.json and rootfs/; inv images.save makes one.",
    )
