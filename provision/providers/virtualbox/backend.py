"""VirtualBox as one of Vagrant's providers."""

from __future__ import annotations

from collections.abc import Mapping

from provision.lab.model import Lab
from provision.providers.backend import Backend
from provision.providers.virtualbox import host_only, supported, vboxmanage
from provision.support.errors import UserError


class VirtualBox(Backend):
    name = "virtualbox"

    # -- this host ----------------------------------------------------------------------------

    def missing(self) -> str:
        return "" if vboxmanage.find() else "VirtualBox is not installed (VBoxManage)"

    def unusable(self, vagrant: str) -> str:
        found = vboxmanage.installed()
        return found.complaint or supported.problem(vagrant, found.version)

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: (vboxmanage.find() or "VBoxManage", "--version")}

    # -- before machines are made -------------------------------------------------------------

    def conflict(self, lab: Lab) -> UserError | None:
        return host_only.problem(lab, vboxmanage.installed().version)
