"""What the kernel of a machine lacks, so that no network could meet an expectation there."""

from __future__ import annotations

from provision.machine.machine import Machine
from scenarios.kit.step import StepFailed

# A container has no modprobe; what its kernel has then shows in /proc once it was needed.
_HAS_IPVS = (
    "PATH=$PATH:/usr/sbin:/sbin; "
    "if test -e /proc/net/ip_vs || modprobe -n -q ip_vs; then echo yes; else echo no; fi"
)


def without_ipvs(machine: Machine) -> str:
    """Why no service's virtual address can answer on a machine; "" where its kernel has IPVS.

    Swarm hands connections to a virtual address over to the kernel's load balancer, IPVS. To be
    asked once a service with such an address runs: the engine has asked for the module by then.
    Raises StepFailed where the machine gives no answer to it.
    Source: https://docs.docker.com/engine/swarm/networking/ (ip_vs).
    """
    result = machine.run(_HAS_IPVS, 30, sudo=True)
    answer = result.stdout.strip()
    if not result.ok or answer not in {"yes", "no"}:
        words = result.last_words
        raise StepFailed(f"{machine.name}: whether its kernel has IPVS cannot be told: {words}")
    return "" if answer == "yes" else f"the kernel of {machine.name} has no IPVS"
