"""What a plugin asks for, and what the exercise lets it have.

Sources: https://docs.docker.com/engine/extend/config/ (config.json), Exercise 6.05, step 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests

from provision.machine.machine import Machine
from provision.plugins import facts
from provision.support.errors import MachineError, UserError


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
    low = facts.lower_keys(config)
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
