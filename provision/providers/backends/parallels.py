"""Parallels Desktop, on macOS."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from provision.providers.backend import Backend, has_vagrant_plugin


class Parallels(Backend):
    name = "parallels"

    def present(self) -> bool:
        return bool(shutil.which("prlctl"))

    def missing(self) -> str:
        if not shutil.which("prlctl"):
            return "Parallels Desktop is not installed (prlctl)"
        if has_vagrant_plugin("vagrant-parallels"):
            return ""
        return "its plugin is not installed: vagrant plugin install vagrant-parallels"

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: ("prlctl", "--version")}
