"""Hyper-V, on Windows."""

from __future__ import annotations

import platform
import shutil

from provision.providers.backend import Backend


class HyperV(Backend):
    name = "hyperv"
    box = "generic/debian12"

    def missing(self) -> str:
        if platform.system() != "Windows":
            return "Hyper-V is a part of Windows"
        return "" if shutil.which("powershell") else "PowerShell is not found"
