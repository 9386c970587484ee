"""VMware Workstation and Fusion."""

from __future__ import annotations

from provision.providers.backend import Backend, has_vagrant_plugin


class VmwareDesktop(Backend):
    name = "vmware_desktop"

    def missing(self) -> str:
        if has_vagrant_plugin("vagrant-vmware-desktop"):
            return ""
        return "its Vagrant plugin is not installed: vagrant plugin install vagrant-vmware-desktop"
