"""What a machine has, as far as faults depend on it, and a trial of them that changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from provision.faults.fault import Part, Seen
from provision.machine.machine import Machine
from provision.support.errors import MachineError


class Refused(MachineError):
    """A machine cannot have a fault; nothing was changed."""


_PATH = "PATH=$PATH:/usr/sbin:/sbin\n"
_LOOK = (
    _PATH
    + r"""
has() { command -v "$1" >/dev/null 2>&1; }
timer=
if has flock && has setsid; then timer=setsid; fi
if [ -d /run/systemd/system ] && has flock &&
  systemd-run --help 2>/dev/null | grep -q -e --collect; then timer=systemd; fi
echo "timer $timer"
if has nft && nft list tables >/dev/null 2>&1; then echo filter nft
elif has iptables; then echo filter iptables; fi
if systemd-detect-virt -q --container 2>/dev/null || [ -e /.dockerenv ]; then echo container; fi
if [ -d /run/systemd/system ] && systemctl -q is-active docker.service; then echo docker; fi
for tool in tc unshare; do has $tool && echo "tool $tool"; done
for peer in $PEERS; do
  ip -o route get "$peer" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/device \1/p'
done | sort -u
true
"""
)

# Of a task its service's id comes first.
_CONTAINERS = r"""
format='{{.Label "com.docker.swarm.service.id"}}|{{.Names}}'
if said=$(timeout 60 docker ps --format "$format"); then
  printf '%s\n' "$said" | sed -n 's/^|/runs /p'
else
  echo "runs (they cannot be listed)"
fi
"""


def see(
    machine: Machine,
    lab: str,
    existing: bool,
    addresses: Mapping[str, str],
    ssh: set[str],
    stops: bool = False,
) -> Seen:
    """Look at a machine. `addresses` are those of the fault's other ends, by machine; `stops` says
    that containers stop by it."""
    peers = tuple(addresses.values())
    text = f"PEERS={shlex.quote(' '.join(peers))}\n{_LOOK}"
    if stops and existing:
        text += _CONTAINERS
    said: dict[str, list[str]] = {}
    for line in machine.run_checked(text, 120, sudo=True).splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key, []).append(value)
    devices = said.get("device", [])
    return Seen(
        machine=machine.name,
        lab=lab,
        address=machine.address,
        peers=peers,
        ssh=tuple(sorted(ssh, key=int)),
        device=devices[0] if len(devices) == 1 else "",
        existing=existing,
        timer=said.get("timer", [""])[0],
        packet_filter=said.get("filter", [""])[0],
        container="container" in said,
        docker="docker" in said,
        containers=tuple(said.get("runs", [])),
        tools=frozenset(said.get("tool", [])),
    )


def ssh_port(machine: Machine) -> str:
    """The port at which the machine itself has taken our connection: a forward shows another."""
    said = machine.run_checked('echo "$SSH_CONNECTION"', 30).split()
    return said[3] if len(said) == 4 and said[3].isdigit() else "22"


def missing(machine: Machine, seen: Seen, part: Part) -> str:
    """What the machine's kernel or its tools lack, in their own words; "" where nothing is.

    The fault is made in a network namespace of its own, which ends with the trial.
    """
    if not seen.timer:
        return "it has no flock and setsid, which its healing needs: install util-linux"
    if not part.trial:
        return ""
    if "unshare" not in seen.tools:
        return "it has no unshare to try the fault with: install util-linux"
    inside = f"{_PATH}set -e\nip link set lo up\n{part.trial}"
    done = machine.run(f"unshare -n sh -c {shlex.quote(inside)}", 60, sudo=True)
    if done.ok:
        return ""
    hint = ""
    if "netem" in part.trial:
        hint = (
            "; netem is in the package linux-modules-extra-$(uname -r) (Ubuntu) or "
            "kernel-modules-extra (Fedora)"
        )
    return f"its kernel or tools cannot make it: {done.last_words}{hint}"


def refuse(kind: str, reasons: Mapping[str, str]) -> None:
    """Raise Refused that names each machine which cannot have a fault, and why."""
    found = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    if found:
        raise Refused(f"fault {kind} cannot be made. {'; '.join(found)}.", "Nothing was changed.")
