"""What this host's packet filter does with what the machines send out; read, and never changed.

Docker sets the policy of the chain FORWARD to DROP. libvirt's own rules let its networks through
where they are in the same tables: with its nftables backend (libvirt 10.4 and later) they are not,
and where Docker or a firewall was restarted they are gone.
Sources: https://docs.docker.com/engine/network/packet-filtering-firewalls/ (Docker on a router),
https://libvirt.org/firewall.html.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provision.providers.backend import Hindrance
from provision.support.tools import run_tool

FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")
DOCKERS = Path("/sys/class/net/docker0")
_SEARCH = ":/usr/sbin:/sbin"
_LOOK = "sudo iptables -S FORWARD"


def hindrances(bridge: str) -> list[Hindrance]:
    """What keeps the machines behind an active bridge from reaching anything; "" for any bridge."""
    found = []
    if bridge and _reads(FORWARDS) == "0":
        found.append(
            Hindrance(
                f"this host forwards no packets ({FORWARDS} is 0): machines reach no network",
                "Allow it: sudo sysctl -w net.ipv4.ip_forward=1",
            )
        )
    rules = _asked(["iptables", "-S"])
    if rules is None:
        found += _unseen()
    elif _drops(rules, bridge):
        found.append(_dropped(rules, bridge))
    return found + _wrong_zone(bridge)


def _dropped(rules: str, bridge: str) -> Hindrance:
    by = "Docker" if "-N DOCKER" in rules else "a firewall"
    chain = "DOCKER-USER" if "-N DOCKER-USER" in rules else "FORWARD"
    name = shlex.quote(bridge or "virbr+")
    return Hindrance(
        f"{by} on this host drops what machines send out: the policy of the chain FORWARD is DROP, "
        f"and no rule lets {name} through",
        f"Allow it: sudo iptables -I {chain} -i {name} -j ACCEPT; sudo iptables -I {chain} "
        f"-o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT (until the next boot)",
    )


def _unseen() -> list[Hindrance]:
    """Where this user may not read the rules, what suggests that they drop packets."""
    if not DOCKERS.exists():
        return []
    return [
        Hindrance(
            "Docker runs on this host: its packet filter may drop what machines send out, which "
            "only root can see",
            f"If machines reach no network, look: {_LOOK}. Where it says DROP: sudo iptables -I "
            "DOCKER-USER -i virbr+ -j ACCEPT; sudo iptables -I DOCKER-USER -o virbr+ -m conntrack "
            "--ctstate RELATED,ESTABLISHED -j ACCEPT",
            certain=False,
        )
    ]


def _drops(rules: str, bridge: str) -> bool:
    """Whether FORWARD's policy is DROP and nothing before it accepts what comes from a bridge."""
    if not re.search(r"^-P FORWARD DROP$", rules, re.MULTILINE):
        return False
    lines = [shlex.split(line) for line in rules.splitlines() if line.startswith("-A ")]
    reached, accepting = {"FORWARD"}, False
    # In the order of the listing; a chain is listed after what jumps to it or before: so twice.
    for words in [*lines, *lines]:
        if words[1] in reached and "-j" in words:
            target = words[words.index("-j") + 1]
            reached.add(target)
            accepting |= target == "ACCEPT" and _covers(words[2:], bridge)
    if bridge or accepting or "LIBVIRT_FWO" in reached:
        return not accepting and bool(bridge)
    # Before the first machine there is no bridge, and which tables libvirt will use is known only
    # where it has some.
    return _asked(["nft", "list", "table", "ip", "libvirt_network"]) is not None


def _covers(words: Sequence[str], bridge: str) -> bool:
    """Whether an accepting rule is about all new packets from a bridge ("" for any of them)."""
    options = dict(itertools.pairwise(words))
    if (
        options.get("-m", "comment") != "comment"
        or "!" in words
        or "-o" in options
        or "-d" in options
    ):
        return False
    if "-i" not in options:
        return "-s" not in options and "-p" not in options
    given = options["-i"]
    stem = given.removesuffix("+")
    if not bridge:
        return given.endswith("+") and "virbr".startswith(stem)
    return given == bridge or (given.endswith("+") and bridge.startswith(stem))


def _wrong_zone(bridge: str) -> list[Hindrance]:
    """A bridge that firewalld has in another zone than libvirt's: neither addresses nor a way."""
    if not bridge or (_asked(["firewall-cmd", "--state"]) or "").strip() != "running":
        return []
    zone = (_asked(["firewall-cmd", f"--get-zone-of-interface={bridge}"]) or "").strip()
    if not zone or zone.startswith("libvirt") or zone == "trusted":
        return []
    return [
        Hindrance(
            f"firewalld on this host has the machines' bridge {bridge} in the zone {zone}: they "
            "get no address, or reach no network",
            f"Give it libvirt's: sudo firewall-cmd --zone=libvirt --change-interface={bridge}",
        )
    ]


def _asked(argv: list[str]) -> str | None:
    """What a program prints; None where it is not installed, or this user may not ask it."""
    program = shutil.which(argv[0], path=os.environ.get("PATH", "") + _SEARCH)
    if not program:
        return None
    try:
        done = run_tool([program, *argv[1:]], timeout=15)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _reads(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
