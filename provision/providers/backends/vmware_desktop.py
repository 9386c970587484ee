"""VMware Workstation and Fusion."""

from __future__ import annotations

from provision.providers.backend import Backend, has_vagrant_plugin


class VmwareDesktop(Backend):
    name = "vmware_desktop"

    def missing(self) -> str:
        plugin = has_vagrant_plugin("vagrant-vmware-desktop")
        return "" if plugin else "its Vagrant plugin is not installed"
