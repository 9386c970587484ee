"""Machines that exist already, by SSH: cloud VMs, servers, anything that runs Linux."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from provision.lab.model import Lab, MachineSpec
from provision.providers.base import Checkpoints, MachineState
from provision.ssh import client_config
from provision.ssh.endpoint import Endpoint

if TYPE_CHECKING:
    from provision.support.progress import Progress


class HostsProvider:
    """Hosts that belong to somebody else: reached, and never made, stopped or destroyed.

    What lab.toml does not name (user, port, key, jump hosts) is taken from the user's own SSH
    settings, and host keys are checked against their known_hosts files. With `trust_new` the key
    of a host that is in none of them is added.
    """

    name = "hosts"

    def __init__(self, lab: Lab, trust_new: bool = False) -> None:
        self.lab = lab
        self.trust_new = trust_new

    def up(self, progress: Progress) -> None:
        """Nothing to boot: connecting comes next, and reports which host does not answer."""
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
        """Only a connection shows whether a host runs, and `status` makes one anyway."""
        return {machine.name: "unknown" for machine in self.lab.machines}

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        return []

    def restart(self, names: list[str], progress: Progress) -> None:
        """Existing hosts are not restarted."""

    def destroy(self, progress: Progress) -> list[str]:
        """Nothing was made here; `lifecycle.revert` undoes what was changed on the hosts."""
        return []

    def leftovers(self) -> list[str]:
        return []

    def stays(self) -> list[str]:
        return []

    def identities(self) -> dict[str, str]:
        return {}

    def box(self) -> tuple[str, str] | None:
        return None

    def box_checksum(self) -> str:
        return ""

    # -- checkpoints: not of machines that belong to somebody else ----------------------------

    no_checkpoints = (
        "Provider hosts keeps no checkpoints: the machines are not its own to set back."
    )

    @property
    def checkpoints(self) -> Checkpoints | None:
        return None
