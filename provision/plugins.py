"""Plugins of Docker Engine: what a machine has, what a plugin asks for, what an archive holds.

Facts alone; `plugin_install` acts on them.
Sources: https://docs.docker.com/reference/api/engine/ (Plugin) and
https://docs.docker.com/engine/extend/config/ (config.json), Exercise 6.05, step 1.
"""

from __future__ import annotations

import functools
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import docker.errors
import requests

from provision.definition import AUTO_PLUGIN, Plugin
from provision.errors import MachineError, UserError
from provision.machine import Machine

# The maintained fork of Weave Net publishes a tag for each architecture.
FORK = "rajchaudhuri/net-plugin:latest_release-"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


@dataclass(frozen=True, order=True)
class Privilege:
    """One thing that a plugin asks for, such as `mount:/proc/`: kind and value, as Docker has them.

    The kinds are "network", "mount", "device", "capabilities", "allow-all-devices",
    "host ipc namespace" and "host pid namespace".
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def privilege(text: str) -> Privilege:
    """The privilege of that name, such as "capabilities:CAP_SYS_MODULE". Raises UserError."""
    kind, colon, value = text.strip().partition(":")
    if not (colon and kind and value):
        raise UserError(
            f"{text!r} names no privilege.",
            'A name has a kind and a value: --grant "capabilities:CAP_SYS_RESOURCE", '
            '--grant "mount:/dev/"',
        )
    return Privilege(kind, value)


def granted(texts: Iterable[str]) -> frozenset[Privilege]:
    """The privileges that `--grant` names: repeated, or several with commas. Raises UserError."""
    return frozenset(privilege(part) for text in texts for part in text.split(",") if part.strip())


# What the exercise lists and has the reader grant (step 1).
EXERCISE = frozenset(
    {
        Privilege("network", "host"),
        *(
            Privilege("mount", path)
            for path in ("/proc/", "/var/run/docker.sock", "/var/lib/", "/etc/", "/lib/modules/")
        ),
        *(
            Privilege("capabilities", name)
            for name in ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_MODULE")
        ),
    }
)


def asked_in(config: dict[str, Any]) -> list[Privilege]:
    """What a plugin with this config.json asks for, as the engine works it out.

    Takes the file's own spelling of keys and the Engine API's (`GET /plugins/{name}/json`).
    """
    low = _lower(config)
    linux = low.get("linux") or {}
    found: list[Privilege] = []
    network = (low.get("network") or {}).get("type") or ""
    if network not in {"", "null", "none", "bridge"}:
        found.append(Privilege("network", network))
    for key, kind in (("ipchost", "host ipc namespace"), ("pidhost", "host pid namespace")):
        if low.get(key):
            found.append(Privilege(kind, "true"))
    for mount in low.get("mounts") or []:
        if mount.get("source"):
            found.append(Privilege("mount", mount["source"]))
    for device in linux.get("devices") or []:
        if device.get("path"):
            found.append(Privilege("device", device["path"]))
    if linux.get("allowalldevices"):
        found.append(Privilege("allow-all-devices", "true"))
    found += [Privilege("capabilities", name) for name in linux.get("capabilities") or []]
    return found


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).lower(): _lower(inner) for key, inner in value.items()}
    return [_lower(inner) for inner in value] if isinstance(value, list) else value


def asked_of_registry(machine: Machine, reference: str) -> list[Privilege]:
    """What the plugin of a registry asks for (`GET /plugins/privileges`). Raises MachineError."""
    words = ""
    said: list[dict[str, Any]] = []
    try:
        said = machine.docker.api.plugin_privileges(reference) or []
    except (docker.errors.APIError, requests.RequestException) as error:
        words = f": {getattr(error, 'explanation', None) or error}"
    if not said:
        # An engine that reaches no registry gives an empty list, and only its log says why; no
        # network driver asks for nothing.
        raise MachineError(
            f"{machine.name}: plugin {reference} is not there, and no registry gives it{words}",
            "Where no registry has it, give an archive of its config.json and rootfs/: "
            'weave.plugin_archive = "file.tar.gz" in lab.toml.',
        )
    return [Privilege(one["Name"], value) for one in said for value in one.get("Value") or []]


def beyond(
    asked: Iterable[Privilege], listed: frozenset[Privilege], grants: frozenset[Privilege]
) -> list[Privilege]:
    """What is asked for and neither listed by the exercise nor granted by name."""
    return [one for one in asked if one not in listed | grants]


def refuse(reference: str, more: list[Privilege]) -> UserError:
    """The refusal: it names each privilege, and how it would be granted."""
    names = ", ".join(map(str, more))
    flags = " ".join(f'--grant "{one}"' for one in more)
    return UserError(
        f"Plugin {reference} asks for more than the exercise lists: {names}.",
        f"If you trust it with that, grant it by name: {flags}",
    )


def as_shown(reference: str, asked: Iterable[Privilege]) -> str:
    """The privileges as the exercise, and `docker plugin install`, show them."""
    lines = [f" - {one.kind}: [{one.value}]" for one in asked]
    return "\n".join([f'Plugin "{reference}" is requesting the following privileges:', *lines])


# -- what a machine has -------------------------------------------------------------------------


@dataclass(frozen=True)
class Installed:
    """A plugin that a machine has. `settings` can hold a secret and is not shown."""

    id: str
    reference: str
    enabled: bool
    config: dict[str, Any] = field(repr=False)
    settings: dict[str, str] = field(repr=False)

    @property
    def description(self) -> str:
        return str(self.config.get("Description") or "")

    @property
    def socket(self) -> str:
        return socket_of(self.config)


def installed(machine: Machine, reference: str) -> Installed | None:
    """The plugin of that name as the machine's engine has it; None where it has none."""
    try:
        said = machine.docker.api.inspect_plugin(reference)
    except docker.errors.NotFound:
        return None
    env = (said.get("Settings") or {}).get("Env") or []
    return Installed(
        id=said["Id"],
        reference=said["Name"],
        enabled=bool(said.get("Enabled")),
        config=said.get("Config") or {},
        settings=dict(line.split("=", 1) for line in env if "=" in line),
    )


def socket_of(config: dict[str, Any]) -> str:
    """The name of a plugin's socket, which tells plugins of one kind from another."""
    return str((_lower(config).get("interface") or {}).get("socket") or "")


def settable(config: dict[str, Any]) -> set[str]:
    """The names of the settings that a plugin lets one set (Env with "value" among Settable)."""
    return {
        entry["name"]
        for entry in _lower(config).get("env") or []
        if "value" in (entry.get("settable") or [])
    }


def reference_on(machine: Machine, plugin: Plugin) -> str:
    """The plugin's real reference: "auto" is the fork's for the machine's architecture."""
    if plugin.reference != AUTO_PLUGIN:
        return plugin.reference
    architecture = str(machine.docker.info().get("Architecture", ""))
    if architecture not in _ARCHITECTURES:
        raise UserError(
            f"{machine.name}: the maintained Weave plugin is not published for {architecture}.",
            "Name another one: weave.plugin in lab.toml.",
        )
    return FORK + _ARCHITECTURES[architecture]


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
