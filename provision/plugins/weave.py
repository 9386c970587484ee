"""What Weave Net leaves on a machine: interfaces, rules, IPsec, a database; and how it goes.

Source: weaveworks/weave net/ and router/, and what was seen on machines after its plugin's removal.
"""

from __future__ import annotations

import re
import shlex

from provision.machine.machine import Machine

SOCKET = "weave.sock"  # of its plugin (config.json, interface.socket), by which it is recognized
_LINKS = ("weave", "vethwe-bridge", "vethwe-datapath", "vethwe-pcap", "datapath", "vxlan-6784")
_FOLDER = "/var/lib/weave"
_MARK = "0x20000/0x20000"  # of its IPsec policies (net/ipsec)

_LOOK = f"""
PATH=$PATH:/usr/sbin:/sbin
for link in {" ".join(_LINKS)}; do
  if ip link show "$link" >/dev/null 2>&1; then echo "interface $link"; fi
done
if [ -e {_FOLDER} ]; then echo "folder {_FOLDER}"; fi
for save in iptables-save iptables-legacy-save; do
  if command -v $save >/dev/null; then
    $save 2>/dev/null | sed -n 's/^:\\(WEAVE[^ ]*\\) .*/iptables chain \\1/p' | sort -u
  fi
done
if command -v ip >/dev/null; then
  ip xfrm policy 2>/dev/null | sed -n 's|.*mark {_MARK}.*|IPsec policy|p' | sort -u
fi
true
"""

# Its own tool, in its root file system, is what can remove a datapath of Open vSwitch; links go by
# `ip`, rules by their own text with -D for -A.
_CLEAN = f"""
PATH=$PATH:/usr/sbin:/sbin
if ip link show datapath >/dev/null 2>&1; then {{rootfs}}/usr/bin/weaveutil delete-datapath datapath
fi
for link in weave vethwe-bridge; do ip link delete "$link" 2>/dev/null; done
for save in iptables-save iptables-legacy-save; do
  if command -v $save >/dev/null; then
    tables=${{{{save%-save}}}}
    for table in filter nat mangle; do
      $save -t $table 2>/dev/null | sed -n '/ weave \\|WEAVE\\|Weave Net/s/^-A/-D/p' |
        xargs -r -L 1 $tables -w -t $table
      chains=$($save -t $table 2>/dev/null | sed -n 's/^:\\(WEAVE[^ ]*\\) .*/\\1/p')
      for chain in $chains; do $tables -w -t $table -F "$chain"; done
      for chain in $chains; do $tables -w -t $table -X "$chain"; done
    done
  fi
done
rm -rf {_FOLDER}
"""


def left(machine: Machine) -> list[str]:
    """What of Weave a machine still has, in words: interfaces, chains, policies, its database."""
    return machine.run_checked(_LOOK, 60, sudo=True).splitlines()


def clean(machine: Machine, rootfs: str) -> None:
    """Undo what the plugin has made on the machine: bridge, datapath, rules, IPsec, database."""
    policies = machine.run_checked("PATH=$PATH:/usr/sbin:/sbin; ip xfrm policy", 60, sudo=True)
    states = machine.run_checked("PATH=$PATH:/usr/sbin:/sbin; ip -o xfrm state", 60, sudo=True)
    for command in ipsec_removal(policies, states):
        machine.run(f"PATH=$PATH:/usr/sbin:/sbin; {command}", 60, sudo=True)
    machine.run(_CLEAN.format(rootfs=shlex.quote(rootfs)), 120, sudo=True)


def ipsec_removal(policies: str, states: str) -> list[str]:
    """The commands that remove Weave's policies (`ip xfrm policy`) and states (`ip -o xfrm state`).

    A policy is Weave's by its mark; a state by going between two hosts of such a policy, in either
    direction, with no mark of its own: an encrypted overlay's states have one.
    """
    commands: list[str] = []
    pairs: set[tuple[str, str]] = set()
    mask = _MARK.replace("/", " mask ")
    for block in re.split(r"\n(?=\S)", policies):
        head = re.match(r"src (\S+) dst (\S+) proto udp", block)
        if not head or f"mark {_MARK}" not in block:
            continue
        source, target = head[1], head[2]
        way = re.search(r"dir (\w+)", block)
        if way:
            commands.append(
                f"ip xfrm policy delete dir {way[1]} src {source} dst {target} proto udp "
                f"mark {mask}"
            )
        bare = source.partition("/")[0], target.partition("/")[0]
        pairs |= {bare, (bare[1], bare[0])}
    for line in states.splitlines():
        state = re.match(r"src (\S+) dst ([^\s\\]+).*?proto esp spi (0x[0-9a-f]+)", line)
        if state and (state[1], state[2]) in pairs and " mark " not in line:
            commands.append(
                f"ip xfrm state delete src {state[1]} dst {state[2]} proto esp spi {state[3]}"
            )
    return commands
