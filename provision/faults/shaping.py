"""What a machine sends to others, slowed down or delayed, as shell text for tc.

A queueing discipline (HTB) of ours at the root of the underlay's interface has one class. Packets
to the peers go through it; SSH and all the rest go straight out. A root that somebody has set is
never replaced: the kernel's own ones have the handle 0:.
Sources: tc-htb(8), tc-netem(8), tc-u32(8).
"""

from __future__ import annotations

import shlex

from provision.faults.fault import FOLDER, Part, Seen

HANDLE = "5357:"
_INSIDE = "5358:"
FAST = "10gbit"  # a class that slows nothing down, for netem beneath it


def refusal(seen: Seen) -> str:
    """Why nothing can be shaped on a machine, as far as it shows without a trial."""
    if "tc" not in seen.tools:
        return "it has no tc: install iproute2 (iproute-tc on Fedora) on it"
    if not seen.device:
        return "its packets to the others do not all leave by one interface"
    return ""


def part(seen: Seen, fault_id: str, rate: str = FAST, netem: str = "") -> Part:
    """What slows down or delays packets to the machine's peers, but never those of SSH."""
    # Whose the queueing discipline is: one that was refused must not take away another fault's.
    own = f"{FOLDER}/{fault_id}.shaped"
    return Part(
        make=_make(seen, seen.device, rate, netem, f": > {own}"),
        heal=_heal(seen.device, own),
        trial=_make(seen, "lo", rate, netem),
    )


def _heal(device: str, own: str) -> str:
    at = shlex.quote(device)
    return (
        f"if [ -e {own} ] && "
        f"tc qdisc show dev {at} 2>/dev/null | grep -q '^qdisc htb {HANDLE} root'; then "
        f"tc qdisc del dev {at} root || exit 1; fi\nrm -f {own}"
    )


def _make(seen: Seen, device: str, rate: str, netem: str, note: str = ":") -> str:
    at = shlex.quote(device)
    lines = [
        f"root=$(tc qdisc show dev {at} | sed -n 's/^qdisc [^ ]* \\([^ ]*\\) root.*/\\1/p')",
        f'case "$root" in ""|0:) ;; {HANDLE}) echo "{device} has such a fault already: heal it '
        f'first" >&2; exit 73 ;; *) echo "{device} has a queueing discipline that somebody has '
        'set ($root), and it is not replaced" >&2; exit 73 ;; esac',
        note,
        f"tc qdisc add dev {at} root handle {HANDLE} htb default 0",
        f"tc class add dev {at} parent {HANDLE} classid {HANDLE}1 htb rate {rate} quantum 60000",
    ]
    if netem:
        lines.append(f"tc qdisc add dev {at} parent {HANDLE}1 handle {_INSIDE} netem {netem}")
    match = f"tc filter add dev {at} parent {HANDLE} protocol ip prio"
    lines += [
        f"{match} 1 u32 match ip protocol 6 0xff match ip {way} {port} 0xffff flowid {HANDLE}0"
        for port in seen.ssh
        for way in ("dport", "sport")
    ]
    lines += [f"{match} 2 u32 match ip dst {peer}/32 flowid {HANDLE}1" for peer in seen.peers]
    return "\n".join(lines)
