"""The versions of what runs on the controlling host: for the record, the lock, a bug report."""

from __future__ import annotations

import re
import shutil

from provision.providers.backends import registry
from provision.providers.vagrant import requirements
from provision.support.tools import run_tool


def provider_tools(provider: str) -> dict[str, str]:
    """Vagrant and the provider's programs, where they print a version; slow, since Vagrant is."""
    if provider == "hosts":
        return {}
    found = {"vagrant": requirements.vagrant_version() or ""}
    backend = registry.find(provider)
    commands = backend.version_commands() if backend else {}
    found |= {name: _version(command) for name, command in commands.items()}
    return {name: number for name, number in found.items() if number}


def _version(command: tuple[str, ...]) -> str:
    if not shutil.which(command[0]):
        return ""
    number = re.search(r"\d+(?:\.\d+)+", run_tool(command).stdout)
    return number[0] if number else ""
