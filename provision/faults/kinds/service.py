"""A service of the swarm that was changed for the worse, as by a slip of the hand.

What is healed is that change: a service that somebody has changed since is left as it is.
Source: https://docs.docker.com/reference/cli/docker/service/update/
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import FOLDER, Fault, Part, Seen

_DOCKER = "timeout 60 docker"


@dataclass(frozen=True)
class ChangedService(Fault):
    """`docker service update` was given the options `wrong`, on the manager `on`.

    `right` are the options that take it back.
    """

    kind: ClassVar[str] = "service"
    own: ClassVar[bool] = True

    service: str = ""
    wrong: tuple[str, ...] = ()
    right: tuple[str, ...] = ()

    def words(self) -> str:
        return f"the service {self.service} was updated with {shlex.join(self.wrong)}"

    def part(self, seen: Seen, fault_id: str) -> Part:
        service, made = shlex.quote(self.service), f"{FOLDER}/{fault_id}.made"
        update = f"{_DOCKER} service update -d --no-resolve-image"
        spec = f"{_DOCKER} service inspect -f '{{{{json .Spec}}}}' {service}"
        unchanged = f'[ -s {made} ] && [ "$({spec} 2>/dev/null)" = "$(cat {made})" ]'
        heal = (
            f"if {unchanged}; then\n"
            f"  {update} {shlex.join(self.right)} {service} >/dev/null || exit 1\n"
            f"fi\nrm -f {made}"
        )
        make = f"{update} {shlex.join(self.wrong)} {service} >/dev/null\n{spec} > {made}"
        return Part(make=make, heal=heal, there=unchanged)


def changed_service(
    on: str, service: str, wrong: tuple[str, ...], right: tuple[str, ...]
) -> ChangedService:
    """Change a service for the worse."""
    return ChangedService(on, service=service, wrong=wrong, right=right)
