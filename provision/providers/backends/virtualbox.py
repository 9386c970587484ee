"""VirtualBox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from provision.providers.backend import Backend


class VirtualBox(Backend):
    name = "virtualbox"

    def missing(self) -> str:
        # On Windows its installer does not put it on PATH, and Vagrant knows that.
        program = os.environ.get("VBOX_MSI_INSTALL_PATH", "")
        if shutil.which("VBoxManage") or (program and Path(program).is_dir()):
            return ""
        return "VirtualBox is not installed (VBoxManage)"

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: ("VBoxManage", "--version")}
