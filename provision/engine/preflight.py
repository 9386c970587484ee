"""What of a machine's system would make a swarm fail late or oddly: looked at before any change.

A kernel without VXLAN forms a swarm, and fails when the first overlay network is used. Copies of
one disk have one machine-id, from which DHCP clients make the name that they ask for addresses by.
Sources: https://docs.docker.com/engine/network/drivers/overlay/, machine-id(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.machine.machine import Machine
from provision.support.errors import MachineError
from provision.support.parallel import run_on_all

# The interface is made in a network namespace of its own, which goes with the command.
_LOOK = r"""
PATH=$PATH:/usr/sbin:/sbin
echo "id=$(cat /etc/machine-id 2>/dev/null)"
echo "kernel=$(uname -r)"
echo "modules=$(ls -d "/lib/modules/$(uname -r)" 2>/dev/null)"
echo "system=$(. /etc/os-release 2>/dev/null; echo "$ID")"
[ -d /sys/module/vxlan ] ||
  echo "vxlan=$(unshare -n ip link add swarmrig0 type vxlan id 1 dstport 4789 2>&1 | tail -n 1)"
"""
# What ip says of a kernel that does not know the type; other words say nothing about the kernel.
_UNKNOWN = ("unknown device type", "operation not supported", "not supported")
_RENEW = "sudo rm /etc/machine-id && sudo systemd-machine-id-setup && sudo reboot"


@dataclass(frozen=True)
class Facts:
    """A machine's id and kernel; `vxlan` is what it answers when asked for VXLAN, "" for yes.

    `modules` is the folder of the running kernel's modules, "" where there is none.
    """

    machine_id: str
    kernel: str
    modules: str
    system: str
    vxlan: str


def look(machines: dict[str, Machine]) -> dict[str, Facts]:
    """Look at each machine. Raises MachinesError for those that cannot be reached."""

    def ask(machine: Machine) -> Facts:
        said = machine.run(_LOOK, 30, sudo=True).stdout.splitlines()
        found = {key: value.strip() for key, _, value in (line.partition("=") for line in said)}
        keys = ("id", "kernel", "modules", "system", "vxlan")
        return Facts(*(found.get(key, "") for key in keys))

    return run_on_all("looking at its kernel", machines.values(), ask)


def check(seen: dict[str, Facts]) -> None:
    """Raises MachineError for machines whose kernel has no VXLAN, with how each gets it."""
    lacking = {
        name: facts
        for name, facts in seen.items()
        if any(words in facts.vxlan.lower() for words in _UNKNOWN)
    }
    if not lacking:
        return
    words = "; ".join(
        f"{name}: its kernel {facts.kernel} has no VXLAN, which overlay networks are made of"
        for name, facts in lacking.items()
    )
    name, facts = next(iter(lacking.items()))
    raise MachineError(words, f"On {name}: {_remedy(facts)}; then run inv up again.")


def _remedy(facts: Facts) -> str:
    if not facts.modules:
        return (
            f"its modules (/lib/modules/{facts.kernel}) are gone, as after an upgrade of the "
            "kernel: sudo reboot"
        )
    if "raspi" in facts.kernel:
        return "sudo apt-get install linux-modules-extra-raspi, sudo reboot"
    if facts.system == "ubuntu":
        return f"sudo apt-get install linux-modules-extra-{facts.kernel}"
    if facts.system in {"fedora", "rocky", "almalinux", "centos", "rhel"}:
        return f"sudo dnf install kernel-modules-{facts.kernel}"
    return "install a kernel with the module vxlan (CONFIG_VXLAN)"


def notes(seen: dict[str, Facts]) -> list[str]:
    """A line for each machine-id that several machines have, with what to do."""
    by_id: dict[str, list[str]] = {}
    for name, facts in seen.items():
        by_id.setdefault(facts.machine_id, []).append(name)
    return [
        f"warning: {', '.join(names)} have the same /etc/machine-id, as copies of one disk have: "
        f"they may get one address by DHCP. On all but one: {_RENEW}"
        for machine_id, names in by_id.items()
        if machine_id not in {"", "uninitialized"} and len(names) > 1
    ]
