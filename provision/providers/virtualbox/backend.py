"""VirtualBox as one of Vagrant's providers."""

from __future__ import annotations

from collections.abc import Mapping

from provision.lab.model import Lab
from provision.providers.backend import Backend
from provision.providers.virtualbox import host_only, inventory, supported, vboxmanage
from provision.support.errors import MachineError, UserError


class VirtualBox(Backend):
    name = "virtualbox"

    # -- this host ----------------------------------------------------------------------------

    def present(self) -> bool:
        return bool(vboxmanage.find())

    def missing(self) -> str:
        return "" if vboxmanage.find() else "VirtualBox is not installed (VBoxManage)"

    def unusable(self, vagrant: str) -> str:
        found = vboxmanage.installed()
        return found.complaint or supported.problem(vagrant, found.version)

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: (vboxmanage.find() or "VBoxManage", "--version")}

    # -- before machines are made -------------------------------------------------------------

    def conflict(self, lab: Lab) -> UserError | None:
        """Ranges of addresses, and machines of the lab's name that are another lab's."""
        if problem := host_only.problem(lab, vboxmanage.installed().version):
            return problem
        here, known = str(lab.state.resolve()), _known(lab)
        for uuid, (name, folder) in inventory.of_lab(lab).items():
            if folder != here and uuid not in known:
                whose = f"of a lab {lab.name!r} in {folder}" if folder else "of nobody who says so"
                return UserError(
                    f"{lab.file.name}: name: VirtualBox has {name}, {whose}.",
                    "Take another name in lab.toml, or remove it: inv destroy there, or VBoxManage "
                    f"unregistervm {uuid} --delete.",
                )
        return None

    def prepare(self, lab: Lab) -> None:
        inventory.note_interfaces(lab)

    def remove_unfinished(self, lab: Lab, machines: set[str]) -> list[str]:
        return inventory.remove(lab, machines)

    # -- machines that were made --------------------------------------------------------------

    def diagnostics(self, lab: Lab) -> str:
        said = []
        for question in ("vms", "runningvms", "hostonlyifs", "natnets"):
            try:
                said.append(f"$ VBoxManage list {question}\n{vboxmanage.run('list', question)}")
            except MachineError as error:
                said.append(f"$ VBoxManage list {question}\n{error}\n")
        return "\n".join(said)

    # -- destroy ------------------------------------------------------------------------------

    def purge(self, lab: Lab) -> list[str]:
        return [*inventory.remove(lab), *inventory.remove_interfaces(lab)]

    def leftovers(self, lab: Lab, known: set[str]) -> list[str]:
        named = [f"machine {name}" for name in inventory.own(lab).values()]
        return [*super().leftovers(lab, known), *named]

    def purge_orphans(self, lab: Lab) -> list[str]:
        return [] if self.missing() or vboxmanage.installed().complaint else inventory.remove(lab)

    def stays(self, lab: Lab, box: str, version: str) -> list[str]:
        found = []
        if master := inventory.master(box, version):
            found.append(f"the machine that others are cloned from: {master}")
        _, others = inventory.own_interfaces(lab)
        return found + [
            f"host-only interface {name}, which the lab did not make or others use "
            f"(VBoxManage hostonlyif remove {name})"
            for name in others
        ]


def _known(lab: Lab) -> set[str]:
    """The ids of the lab's machines in Vagrant's memory: those of before they had labels too."""
    files = lab.state.glob("vagrant/machines/*/virtualbox/id")
    return {file.read_text(encoding="utf-8").strip() for file in files}
