"""Machines that exist already, by SSH: cloud VMs, servers, anything that runs Linux."""

from __future__ import annotations

import getpass
from pathlib import Path

import paramiko

from provision.definition import Access, Lab
from provision.errors import MachinesError, UserError
from provision.machine import Machine, connected
from provision.parallel import each
from provision.progress import Progress
from provision.providers.base import Endpoint, MachineState


class HostsProvider:
    """Hosts that are somebody else's: reached, and never made, stopped or destroyed.

    What lab.toml does not say (user, port, key) is taken from the user's own ~/.ssh/config, and
    host keys are checked against ~/.ssh/known_hosts: a host that is not in there is refused.
    """

    name = "hosts"

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def up(self, progress: Progress) -> None:
        """Nothing to boot: connecting comes next, and says which host does not answer."""
        for machine in self.lab.machines:
            progress.phase(machine.name, "reaching it by SSH")

    def endpoints(self) -> dict[str, Endpoint]:
        config = paramiko.SSHConfig()
        own = Path.home() / ".ssh" / "config"
        if own.is_file():
            config = paramiko.SSHConfig.from_path(str(own))
        return {
            machine.name: self._endpoint(config, machine.access)
            for machine in self.lab.machines
            if machine.access
        }

    def _endpoint(self, config: paramiko.SSHConfig, access: Access) -> Endpoint:
        own = config.lookup(access.host)
        keys = [access.key] if access.key else own.get("identityfile", [])
        if not keys:
            ssh = Path.home() / ".ssh"
            names = ("id_ed25519", "id_ecdsa", "id_rsa")
            keys = [str(ssh / name) for name in names if (ssh / name).is_file()]
        return Endpoint(
            host=own["hostname"],
            port=access.port or int(own.get("port", 22)),
            user=access.user or own.get("user") or getpass.getuser(),
            keys=tuple(self.lab.home / Path(key).expanduser() for key in keys),
            known_hosts=Path.home() / ".ssh" / "known_hosts",
            trust_first=False,
        )

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
