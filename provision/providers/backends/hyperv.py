"""Hyper-V, on Windows."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from types import MappingProxyType

from provision.providers.backend import Backend


class HyperV(Backend):
    name = "hyperv"
    # Nobody has published a Debian 13 for it.
    boxes: Mapping[str, str] = MappingProxyType({"bookworm": "generic/debian12"})

    def missing(self) -> str:
        if platform.system() != "Windows":
            return "Hyper-V is a part of Windows"
        return "" if shutil.which("powershell") else "PowerShell is not found"
