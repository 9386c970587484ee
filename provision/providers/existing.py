"""Machines that exist already, by SSH: cloud VMs, servers, anything that runs Linux."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from provision.lab.model import Lab, MachineSpec
from provision.providers.base import MachineState
from provision.ssh import client_config
from provision.ssh.endpoint import Endpoint
from provision.support.errors import UserError

if TYPE_CHECKING:
    from provision.support.progress import Progress


class HostsProvider:
    """Hosts that are somebody else's: reached, and never made, stopped or destroyed.

    What lab.toml does not say (user, port, key, jump hosts) is taken from the user's own SSH
    settings, and host keys are checked against their known_hosts files. With `trust_new` a host
    that is in none of them is written down at first sight.
    """

    name = "hosts"

    def __init__(self, lab: Lab, trust_new: bool = False) -> None:
        self.lab = lab
        self.trust_new = trust_new

    def up(self, progress: Progress) -> None:
        """Nothing to boot: connecting comes next, and says which host does not answer."""
        for machine in self.lab.machines:
            progress.phase(machine.name, "reaching it by SSH")

    def endpoints(self) -> dict[str, Endpoint]:
        """How SSH reaches each host: lab.toml first, then the user's own settings."""
        with ThreadPoolExecutor() as pool:
            ends = pool.map(self._endpoint, self.lab.machines)
            return {m.name: end for m, end in zip(self.lab.machines, ends, strict=True)}

    def _endpoint(self, machine: MachineSpec) -> Endpoint:
        access = machine.access
        assert access is not None
        key = self.lab.home / Path(access.key).expanduser() if access.key else None
        target = client_config.Target(
            access.host, access.user, access.port, key, access.jump, self.lab.ssh_config
        )
        return client_config.resolve(target, self.trust_new)

    def states(self) -> dict[str, MachineState]:
        """Whether a host runs is known only by reaching it, which `status` does anyway."""
        return {machine.name: "unknown" for machine in self.lab.machines}

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        return []

    def restart(self, names: list[str], progress: Progress) -> None:
        """Existing hosts are not restarted."""

    def destroy(self, progress: Progress) -> list[str]:
        """Nothing was made here; what was changed on hosts, `lifecycle.revert` undoes."""
        return []

    def leftovers(self) -> list[str]:
        return []

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
