"""What the kernel of a machine lacks, so that no network could meet an expectation there."""

from __future__ import annotations

from provision.machine.machine import Machine
from scenarios.kit.step import StepFailed

# A container has no modprobe (127); what its kernel has then shows in /proc once it was needed.
_HAS_IPVS = "PATH=$PATH:/usr/sbin:/sbin; test -e /proc/net/ip_vs || modprobe -n -q ip_vs"
_ANSWERS = {0: True, 1: False, 127: False}


def without_ipvs(machine: Machine) -> str:
    """Why no service's virtual address can answer on a machine; "" where its kernel has IPVS.

    Swarm hands connections to a virtual address over to the kernel's load balancer, IPVS. To be
    asked once a service with such an address runs: the engine has asked for the module by then.
    Raises StepFailed where the machine gives no answer to it.
    Source: https://docs.docker.com/engine/swarm/networking/ (ip_vs).
    """
    code = machine.run(_HAS_IPVS, 30, sudo=True).exit_code
    if code not in _ANSWERS:
        raise StepFailed(f"{machine.name}: whether its kernel has IPVS cannot be told ({code})")
    return "" if _ANSWERS[code] else f"the kernel of {machine.name} has no IPVS"
