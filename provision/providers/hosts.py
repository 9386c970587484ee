"""Machines that exist already, by SSH: cloud VMs, servers, anything that runs Linux."""

from __future__ import annotations

from pathlib import Path

from provision import ssh_config
from provision.definition import Lab
from provision.errors import MachinesError, UserError
from provision.machine import Machine, connected
from provision.parallel import each
from provision.progress import Progress
from provision.providers.base import Endpoint, MachineState


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
        return {
            machine.name: ssh_config.resolve(
                ssh_config.Target(
                    host=machine.access.host,
                    user=machine.access.user,
                    port=machine.access.port,
                    key=self.lab.home / Path(machine.access.key).expanduser()
                    if machine.access.key
                    else None,
                    jump=machine.access.jump,
                    config=self.lab.ssh_config,
                ),
                self.trust_new,
            )
            for machine in self.lab.machines
            if machine.access
        }

    def states(self) -> dict[str, MachineState]:
        """Whether a host runs is known only by reaching it, which `status` does anyway."""
        return {machine.name: "unknown" for machine in self.lab.machines}

    def destroy(self, progress: Progress) -> list[str]:
        """Take the hosts out of the swarm that `up` made; nothing else of theirs is touched."""
        with connected(self.lab, self.endpoints()) as machines:

            def leave(machine: Machine) -> str:
                machine.connect(patience=10)
                progress.phase(machine.name, "leaving the swarm")
                if machine.docker.info()["Swarm"]["LocalNodeState"] == "inactive":
                    return ""
                machine.docker.api.leave_swarm(force=True)
                return f"{machine.name} from the swarm"

            removed = each("leaving the swarm", machines.values(), leave, progress)
        return [what for what in removed.values() if what]

    def leftovers(self) -> list[str]:
        with connected(self.lab, self.endpoints()) as machines:
            try:
                states = each(
                    "asking for the swarm",
                    machines.values(),
                    lambda machine: str(machine.docker.info()["Swarm"]["LocalNodeState"]),
                )
            except MachinesError as error:
                return [str(error)]
        return [f"{name} is still in a swarm" for name, s in states.items() if s != "inactive"]

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
