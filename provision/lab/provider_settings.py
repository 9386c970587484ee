"""`provider_settings`: plain values for the provider's block of the Vagrantfile, never code.

`provider.KEY = VALUE` is all that is written: the key is a Ruby name, the value a literal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What the Vagrantfile sets by itself, by provider.
SET: Mapping[str, frozenset[str]] = {
    "libvirt": frozenset(
        {
            "cpus",
            "memory",
            "machine_virtual_size",
            "default_prefix",
            "driver",
            "cpu_mode",
            "cpu_model",
            "nested",
            "graphics_type",
            "video_type",
            "disk_driver",
            "management_network_name",
            "management_network_address",
            "uri",
            "qemu_use_session",
            "machine_arch",
            "machine_type",
            "loader",
            "features",
            "inputs",
        }
    ),
    "virtualbox": frozenset({"name", "cpus", "memory", "linked_clone", "gui", "customize"}),
    "vmware_desktop": frozenset({"vmx", "linked_clone", "gui"}),
    "parallels": frozenset({"cpus", "memory", "linked_clone"}),
    "hyperv": frozenset({"cpus", "memory", "linked_clone"}),
    "docker": frozenset({"name", "create_args", "image", "has_ssh", "remains_running"}),
}
# What sets one of these is another key of lab.toml.
_OWN_KEYS = {"cpus": "cpus", "memory": "memory", "machine_virtual_size": "disk"}


def problems(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is wrong: the key below `provider_settings`, and the reason."""
    for provider, values in settings.items():
        if provider not in SET:
            yield json.dumps(provider), f"allowed: {', '.join(SET)}"
            continue
        for key, value in values.items():
            if reason := _problem(provider, key, value):
                shown = key if re.fullmatch(r"\w+", key, re.ASCII) else json.dumps(key)
                yield f"{provider}.{shown}", reason


def _problem(provider: str, key: str, value: Any) -> str:
    if not re.fullmatch(r"[a-z_][A-Za-z0-9_]*", key):
        return "allowed: the name of a setting of the provider, such as cpu_mode"
    if key in SET[provider]:
        return (
            f"its place is a machine's {_OWN_KEYS[key]}"
            if key in _OWN_KEYS
            else "Swarmrig sets it itself"
        )
    plain = isinstance(value, bool | int) or (
        isinstance(value, str) and not re.search(r"[\x00-\x1f\x7f]", value)
    )
    return (
        "" if plain else "allowed: a text without control characters, a whole number, true, false"
    )
