"""The engine's network agent, which tells the nodes of a swarm of each other's endpoints.

Nodes that leave a swarm at one moment can wait for each other's goodbye in vain; such an engine
keeps the agent's port, and in the next swarm it is Ready but never gets an overlay network
("error in agentInit: … address already in use"). Only its restart lets go of the port.
Source: moby, libnetwork/networkdb/cluster.go (clusterLeave returns before it shuts down).
"""

from __future__ import annotations

from operator import not_

from provision.engine import daemon
from provision.machine.machine import Machine
from provision.support.progress import Progress
from provision.support.wait import wait_until

PORT = 7946
_PATIENCE = 3.0  # seconds; an agent that ends in order is gone within one


def let_go(machine: Machine, progress: Progress) -> None:
    """See that an engine that is in no swarm holds no agent's port, restarting it if need be.

    To be asked before it joins or starts a swarm. Raises MachineError.
    """
    if wait_until(lambda: _held(machine), not_, _PATIENCE, pause=0.3):
        progress.phase(machine.name, "restarting Docker, which holds on to a swarm that it left")
        # systemd starts a unit only so often a minute, unless its failures are reset.
        machine.run_checked(
            "systemctl reset-failed docker; systemctl restart docker", 180, sudo=True
        )
        daemon.wait(machine)


def _held(machine: Machine) -> bool:
    said = machine.run(f"PATH=$PATH:/usr/sbin:/sbin; ss -Hltn 'sport = :{PORT}'", 30)
    return bool(said.stdout.strip())
