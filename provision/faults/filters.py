"""Packets between machines that are dropped where they arrive, or where they leave, as shell text.

What is dropped on arrival is silence to both ends; dropped where it leaves, the sender is told.
With nft there is a table of the fault's own, with iptables a chain, and both are removed
whole. Rules of others are neither read nor changed.
Sources: nft(8), iptables-extensions(8).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from provision.faults.fault import Part, Seen

PACKAGES = "install nftables or iptables on it"


@dataclass(frozen=True)
class Drop:
    """Which packets of the peers are dropped: all, unless something is given.

    `port` is a destination port such as "4789/udp", or "7946" with both protocols; `above` the size
    in bytes that an IP packet may have; `percent` how many of a hundred are dropped, at random.
    With `leaving` it is packets to the peers, where they leave.
    """

    port: str = ""
    above: int = 0
    percent: float = 100
    leaving: bool = False

    def nft(self) -> str:
        number, _, protocol = self.port.partition("/")
        what = protocol or "meta l4proto { tcp, udp } th"
        words = [f"{what} dport {number}"] if self.port else []
        words += [f"ip length > {self.above}"] if self.above else []
        if self.percent < 100:
            words.append(f"numgen random mod 10000 < {round(self.percent * 100)}")
        return " ".join([*words, "drop"])

    def iptables(self) -> list[str]:
        """The rules: one has one protocol."""
        number, _, protocol = self.port.partition("/")
        words = [f"-m length --length {self.above + 1}:65535"] if self.above else []
        if self.percent < 100:
            words.append(f"-m statistic --mode random --probability {self.percent / 100:.4f}")
        protocols = [protocol] if protocol else ["tcp", "udp"]
        ports = [f"-p {one} --dport {number}" for one in protocols] if self.port else [""]
        return [" ".join(filter(None, [port, *words, "-j DROP"])) for port in ports]


def refusal(seen: Seen) -> str:
    """Why nothing can be dropped on a machine; "" where it can."""
    return "" if seen.packet_filter else f"it has neither nft nor iptables: {PACKAGES}"


def part(seen: Seen, fault_id: str, drop: Drop) -> Part:
    """What drops packets of the machine's peers, but never those of SSH."""
    return (_nft if seen.packet_filter == "nft" else _iptables)(seen, fault_id, drop)


def _nft(seen: Seen, fault_id: str, drop: Drop) -> Part:
    table = f"swarmrig-{seen.lab}-{fault_id}"
    rules = [f"tcp {way} {{ {', '.join(seen.ssh)} }} accept" for way in ("dport", "sport")]
    end = "daddr" if drop.leaving else "saddr"
    rules.append(f"ip {end} {{ {', '.join(seen.peers)} }} {drop.nft()}")
    body = "\n".join(f"    {rule}" for rule in rules)
    chain, hook = ("leaving", "output") if drop.leaving else ("arriving", "prerouting")
    text = (
        f"table ip {table} {{\n  chain {chain} {{\n"
        f"    type filter hook {hook} priority -150; policy accept;\n{body}\n  }}\n}}\n"
    )
    heal = (
        f"if nft list table ip {table} >/dev/null 2>&1; then nft delete table ip {table} || "
        "exit 1; fi"
    )
    make = f"{heal}\nprintf %s {shlex.quote(text)} | nft -f -"
    there = f"nft list table ip {table} 2>/dev/null | grep -q drop"
    return Part(make=make, heal=heal, trial=make, there=there)


def _iptables(seen: Seen, fault_id: str, drop: Drop) -> Part:
    chain = f"swarmrig-{fault_id}"
    comment = shlex.quote(f"swarmrig fault {fault_id} of lab {seen.lab}")
    hook, end = ("OUTPUT", "-d") if drop.leaving else ("PREROUTING", "-s")
    jump = f"{hook} -m comment --comment {comment} -j {chain}"
    base = "iptables -w -t mangle"
    heal = _lines(
        f"if {base} -n -L {chain} >/dev/null 2>&1; then",
        f"  while {base} -D {jump} 2>/dev/null; do :; done",
        f"  {base} -F {chain} && {base} -X {chain} || exit 1",
        "fi",
    )
    rules = [
        f"{base} -A {chain} -p tcp --{way} {port} -j RETURN"
        for port in seen.ssh
        for way in ("dport", "sport")
    ]
    drops = drop.iptables()
    rules += [f"{base} -A {chain} {end} {peer} {rule}" for peer in seen.peers for rule in drops]
    make = _lines(heal, f"{base} -N {chain}", *rules, f"{base} -I {jump}")
    there = f"{base} -C {jump} 2>/dev/null && {base} -S {chain} 2>/dev/null | grep -q -e '-j DROP'"
    return Part(make=make, heal=heal, trial=make, there=there)


def _lines(*lines: str) -> str:
    return "\n".join(lines)
