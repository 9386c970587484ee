"""What the machines have, as far as a measurement depends on it; nothing is changed to see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.machine.machine import Machine
from provision.support.errors import MachineError, UserError
from provision.support.parallel import run_on_all

# "qemu" is QEMU that emulates the CPU, "kvm" the one that does not: see systemd-detect-virt(1).
_EMULATED = "qemu"
_LOOK = r"""
PATH=$PATH:/usr/sbin:/sbin
has() { command -v "$1" >/dev/null 2>&1; }
has iperf3 && echo "iperf3 $(iperf3 --version 2>/dev/null | head -n 1)"
for tool in ping nsenter timeout; do has $tool && echo "tool $tool"; done
echo "kernel $(cat /proc/sys/kernel/random/boot_id)"
echo "virtualization $(systemd-detect-virt --vm 2>/dev/null)"
"""
_PACKAGES = {
    "iperf3": "iperf3",
    "ping": "iputils-ping (iputils on Fedora)",
    "nsenter": "util-linux",
    "timeout": "coreutils",
}


@dataclass(frozen=True)
class Facts:
    """What one machine has. `kernel` is the running kernel's own id: containers share one."""

    iperf3: str
    tools: frozenset[str]
    kernel: str
    emulated: bool


def look(machine: Machine) -> Facts:
    said = [line.partition(" ") for line in machine.run_checked(_LOOK, 60).splitlines()]
    values = {key: value.strip() for key, _, value in said}
    tools = {value for key, _, value in said if key == "tool"}
    if "iperf3" in values:
        tools.add("iperf3")
    return Facts(
        iperf3=values.get("iperf3", ""),
        tools=frozenset(tools),
        kernel=values.get("kernel", ""),
        emulated=values.get("virtualization") == _EMULATED,
    )


def of(machines: list[Machine]) -> dict[str, Facts]:
    return run_on_all("looking at the machine", machines, look)


def refuse(found: Mapping[str, Facts], drivers: list[str]) -> None:
    """Raise MachineError for tools that are missing, UserError for what would mean nothing.

    Nothing is installed here: a host that existed before the lab is somebody's.
    """
    missing = {name: set(_PACKAGES) - one.tools for name, one in found.items()}
    if lacking := sorted(set().union(*missing.values())):
        where = "; ".join(
            f"{', '.join(sorted(tools))} on {name}" for name, tools in missing.items() if tools
        )
        packages = ", ".join(_PACKAGES[tool] for tool in lacking)
        raise MachineError(
            f"Not installed: {where}. Nothing was changed.",
            f"Install there (apt-get install, dnf install): {packages}",
        )
    slow = [name for name, one in found.items() if one.emulated]
    if len(drivers) == 1 and slow:
        raise UserError(
            f"The CPU of {', '.join(slow)} is emulated: only a ratio of two drivers means "
            "something there.",
            f"Measure it against another one: inv measure host {drivers[0]}",
        )
