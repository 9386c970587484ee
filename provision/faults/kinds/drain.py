"""A node that takes no tasks: it was drained, and nobody has activated it again.

A manager is asked for it, and keeps what heals it, also over a reboot: the swarm does.
Source: https://docs.docker.com/reference/cli/docker/node/update/
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import LASTING, Fault, Part, Seen

_DOCKER = "timeout 60 docker"


@dataclass(frozen=True)
class Drain(Fault):
    """The node `node` (its id), which is the machine `on`, is drained by the manager `others`."""

    kind: ClassVar[str] = "drain"
    lasting: ClassVar[bool] = True

    node: str = ""

    def words(self) -> str:
        return f"the node {self.on} is drained"

    def places(self) -> tuple[str, ...]:
        return self.others

    def part(self, seen: Seen, fault_id: str) -> Part:
        node, was = shlex.quote(self.node), f"{LASTING}/{fault_id}.was"
        available = f"{_DOCKER} node inspect -f '{{{{.Spec.Availability}}}}' {node}"
        update = f"{_DOCKER} node update --availability"
        member = f"{_DOCKER} info -f '{{{{.Swarm.LocalNodeState}}}}'"
        # A manager that has left the swarm has nothing to heal; one that cannot tell tries again.
        heal = (
            f'if [ -s {was} ] && [ "$({member})" != inactive ]; then\n'
            f"  now=$({available}) || exit 1\n"
            f'  [ "$now" = "$(cat {was})" ] || {update} "$(cat {was})" {node} >/dev/null || '
            "exit 1\n"
            f"fi\nrm -f {was}"
        )
        return Part(
            make=f"{update} drain {node} >/dev/null",
            heal=heal,
            before=f"{available} > {was}",
            there=f'[ "$({available})" != active ]',
        )


def drain(on: str, by: str, node: str) -> Drain:
    """Drain a node, which has this id, as the manager `by` is told to."""
    return Drain(on, (by,), node=node)
