"""Machines that exist already, by SSH: cloud VMs, servers, anything that runs Linux."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from provision import ssh_config
from provision.definition import Lab, Machine
from provision.errors import UserError
from provision.journal import of_lab
from provision.machine import connected
from provision.providers.base import Endpoint, MachineState

if TYPE_CHECKING:
    from provision.progress import Progress


class HostsProvider:
    """Hosts that are somebody else's: reached, and never made, stopped or destroyed.

    What lab.toml does not say (user, port, key, jump hosts) is taken from the user's own SSH
    settings, and host keys are checked against their known_hosts files. With `trust_new` a host
    that is in none of them is written down at first sight. With `purge`, `destroy` removes the
    engine as well, where it was installed by `up`.
    """

    name = "hosts"

    def __init__(self, lab: Lab, trust_new: bool = False, purge: bool = False) -> None:
        self.lab = lab
        self.trust_new = trust_new
        self.purge = purge

    def up(self, progress: Progress) -> None:
        """Nothing to boot: connecting comes next, and says which host does not answer."""
        for machine in self.lab.machines:
            progress.phase(machine.name, "reaching it by SSH")

    def endpoints(self) -> dict[str, Endpoint]:
        """How SSH reaches each host: lab.toml first, then the user's own settings."""
        with ThreadPoolExecutor() as pool:
            ends = pool.map(self._endpoint, self.lab.machines)
            return {m.name: end for m, end in zip(self.lab.machines, ends, strict=True)}

    def _endpoint(self, machine: Machine) -> Endpoint:
        access = machine.access
        assert access is not None
        key = self.lab.home / Path(access.key).expanduser() if access.key else None
        target = ssh_config.Target(
            access.host, access.user, access.port, key, access.jump, self.lab.ssh_config
        )
        return ssh_config.resolve(target, self.trust_new)

    def states(self) -> dict[str, MachineState]:
        """Whether a host runs is known only by reaching it, which `status` does anyway."""
        return {machine.name: "unknown" for machine in self.lab.machines}

    def destroy(self, progress: Progress) -> list[str]:
        """Undo what the journal has; what is left on purpose is told, with the reason."""
        from provision.undoing import Undoing  # noqa: PLC0415 - of no use to `status`

        journal = of_lab(self.lab)
        with connected(self.lab, self.endpoints()) as machines:
            undoing = Undoing(machines, journal, self.purge, progress)
            try:
                undoing.all()
            finally:
                for what in undoing.left:
                    progress.say(f"left {what}")
        return undoing.removed

    def leftovers(self) -> list[str]:
        """What should be undone and is not: a host that is not in lab.toml any more has such."""
        from provision.undoing import KEPT  # noqa: PLC0415 - of no use to `status`

        journal = of_lab(self.lab)
        here = {machine.name for machine in self.lab.machines}
        return [
            f"{name}: {entry.what}"
            + ("" if name in here else f" (put {name} back into {self.lab.file.name} to undo it)")
            for name in journal.hosts()
            for entry in journal.of(name)
            if entry.kind not in KEPT
        ]

    def identities(self) -> dict[str, str]:
        return {}

    def box(self) -> tuple[str, str] | None:
        return None

    # -- checkpoints: not of machines that are somebody else's --------------------------------

    def no_checkpoints(self) -> str:
        return "Provider hosts keeps no checkpoints: the machines are not its own to set back."

    def checkpoints(self) -> list[str]:
        return []

    def save(self, name: str, progress: Progress) -> None:
        raise UserError(self.no_checkpoints())

    def restore(self, name: str, progress: Progress) -> None:
        raise UserError(self.no_checkpoints())

    def forget(self, name: str) -> None:
        raise UserError(self.no_checkpoints())
