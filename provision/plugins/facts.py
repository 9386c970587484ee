"""Plugins as a machine's engine has them.

Source: https://docs.docker.com/reference/api/engine/ (Plugin).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import docker.errors

from provision.lab.model import AUTO_PLUGIN, PluginSpec
from provision.machine.machine import Machine
from provision.support.errors import UserError

# The maintained fork of Weave Net publishes a tag for each architecture.
FORK = "rajchaudhuri/net-plugin:latest_release-"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def lower_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).lower(): lower_keys(inner) for key, inner in value.items()}
    return [lower_keys(inner) for inner in value] if isinstance(value, list) else value


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
    return str((lower_keys(config).get("interface") or {}).get("socket") or "")


def settable(config: dict[str, Any]) -> set[str]:
    """The names of the settings that a plugin lets one set (Env with "value" among Settable)."""
    return {
        entry["name"]
        for entry in lower_keys(config).get("env") or []
        if "value" in (entry.get("settable") or [])
    }


def reference_on(machine: Machine, plugin: PluginSpec) -> str:
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
