"""Where containers that live on the underlay itself can live: interface, subnet, free addresses."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

from provision.machine.machine import Machine
from scenarios.evidence.capture import underlay_interface
from scenarios.kit.step import Step, StepFailed

_WANTED = 2
_TRIED = 40
# A machine that has the address answers ARP, whatever its firewall drops; a slow one not at once.
# Without a ping nobody would be asked, and every address seem to be free.
_FREE = """PATH=$PATH:/usr/sbin:/sbin
command -v ping >/dev/null || {{ echo "it has no ping: install iputils-ping" >&2; exit 1; }}
for address in {candidates}; do
  ping -n -c 2 -W 1 "$address" >/dev/null 2>&1 && continue
  ip neigh show "$address" | grep -q lladdr && continue
  echo "$address"; found=$((found + 1)); [ "$found" = {wanted} ] && break
done; true"""


def subnet(machine: Machine) -> IPv4Network:
    """The underlay's subnet, as the machine's interface has it. Raises StepFailed."""
    words = machine.run_checked(f"ip -o -4 address show to {machine.address}", 30).split()
    if len(words) < 4:
        raise StepFailed(f"{machine.name} has no interface with the address {machine.address}")
    return IPv4Interface(words[3]).network


def remember(step: Step) -> None:
    """Look for each machine's interface and two free addresses; later commands have them.

    `{underlay}` is the subnet, `{parent1}` the first machine's interface, `{free1}` and `{free2}`
    are addresses that nobody has. Who has been given them once keeps them.
    """
    for place, machine in step.context.machines.items():
        number = place.removeprefix("machine")
        step.remember(**{f"parent{number}": underlay_interface(machine)})
    there = subnet(step.context.machines["machine1"])
    step.remember(underlay=str(there))
    step.expect(
        "all machines are in one subnet of the underlay",
        expected=[],
        seen=[m.name for m in step.context.machines.values() if subnet(m) != there],
    )
    if "free1" not in step.names:
        found = _free(step, there)
        step.remember(**{f"free{n}": address for n, address in enumerate(found, start=1)})
    step.expect(
        f"{_WANTED} addresses of {there} are nobody's",
        expected=_WANTED,
        seen=sum(f"free{n}" in step.names for n in range(1, _WANTED + 1)),
        source="ping",
    )


def _free(step: Step, there: IPv4Network) -> list[str]:
    """Addresses of the subnet, from its upper end, that no machine of it has."""
    taken = {machine.address for machine in step.context.machines.values()}
    # The last ones are often a router's.
    last = int(there.broadcast_address) - 4
    lowest = max(int(there.network_address) + 2, last - _TRIED)
    candidates = [str(there[n - int(there.network_address)]) for n in range(last, lowest, -1)]
    text = _FREE.format(
        candidates=" ".join(one for one in candidates if one not in taken), wanted=_WANTED
    )
    return step.machine.run_checked(text, 120).split()
