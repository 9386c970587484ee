"""A daemon.json that Docker's daemon cannot read: it was edited, the daemon restarted, and is gone.

The file as it was is kept on the machine until it is healed, also over a reboot, and comes back
byte for byte.
Sources: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file, systemctl(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import LASTING, Fault, Part, Seen
from provision.faults.kinds.daemon import UNITS, refusal_of

_FILE = "/etc/docker/daemon.json"
# A comma too many: what people leave behind who delete a file's last line.
_BREAK = r"""{ if [ -e %(file)s ]; then cat %(file)s; else printf '{"log-level": "info"}'; fi; } |
  tr '\n' ' ' | sed 's/}[[:space:]]*$/,\n}\n/' > %(kept)s.new
cat %(kept)s.new > %(file)s
rm -f %(kept)s.new"""


@dataclass(frozen=True)
class BrokenConfig(Fault):
    """The daemon's configuration file is not JSON any more, and the daemon does not start."""

    kind: ClassVar[str] = "broken-config"
    lasting: ClassVar[bool] = True
    stops: ClassVar[bool] = True

    def words(self) -> str:
        return f"daemon.json on {self.on} cannot be read, and Docker's daemon does not start"

    def refusal(self, seen: Seen) -> str:
        return refusal_of(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        kept = f"{LASTING}/{fault_id}"
        before = (
            f"if [ -e {_FILE} ]; then cp -p {_FILE} {kept}.config; else : > {kept}.none; fi\n"
            f"if systemctl -q is-active docker.socket; then : > {kept}.socket; fi"
        )
        make = (
            f"mkdir -p {_FILE.rpartition('/')[0]}\n"
            f"{_BREAK % {'file': _FILE, 'kept': kept}}\n"
            f"systemctl stop {UNITS}\nsystemctl start docker.service 2>/dev/null || true"
        )
        heal = (
            f"if [ -e {kept}.none ]; then\n  [ ! -e {_FILE} ] || was=other\n"
            f"elif [ -e {kept}.config ]; then\n  cmp -s {kept}.config {_FILE} || was=other\nfi\n"
            'if [ "$was" = other ]; then\n'
            f"  if [ -e {kept}.none ]; then rm -f {_FILE}\n"
            f"  else cp -p {kept}.config {_FILE} || exit 1; fi\n"
            f"  systemctl stop {UNITS} 2>/dev/null\nfi\n"
            f"systemctl reset-failed {UNITS} 2>/dev/null\n"
            f"[ ! -e {kept}.socket ] || systemctl start docker.socket || exit 1\n"
            f"systemctl start docker.service || exit 1\n"
            f"rm -f {kept}.config {kept}.none {kept}.socket {kept}.new"
        )
        there = "! systemctl -q is-active docker.service"
        return Part(make=make, heal=heal, before=before, there=there)


def broken_config(on: str) -> BrokenConfig:
    """Break the configuration file of Docker's daemon."""
    return BrokenConfig(on)
