"""A task whose container is not as its image and the swarm have made it.

It is gone with the container: what replaces the task heals it as well.
Sources: nsenter(1), ip-link(8), resolv.conf(5).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from provision.faults.fault import FOLDER, Fault, Part, Seen

_DOCKER = "timeout 60 docker"
_NOWHERE = "127.0.0.9"


@dataclass(frozen=True)
class _InTask(Fault):
    """On the one container of a service that runs on the machine."""

    own: ClassVar[bool] = True

    service: str = ""

    def _kept(self, fault_id: str) -> str:
        return f"{FOLDER}/{fault_id}.task"

    def _find(self, fault_id: str) -> str:
        """The container's id is kept; there has to be one."""
        label = shlex.quote(f"label=com.docker.swarm.service.name={self.service}")
        kept = self._kept(fault_id)
        return (
            f"{_DOCKER} ps -q --no-trunc --filter {label} --filter status=running | head -n 1 > "
            f"{kept}\n[ -s {kept} ]"
        )

    def _runs(self, fault_id: str) -> str:
        """Whether that very container still runs; it is then $task."""
        return (
            f'task=$(cat {self._kept(fault_id)} 2>/dev/null) && [ -n "$task" ] && '
            f'{_DOCKER} inspect -f "{{{{.State.Running}}}}" "$task" 2>/dev/null | grep -q true'
        )


@dataclass(frozen=True)
class NameServer(_InTask):
    """A task asks a name server that nobody runs, instead of Docker's."""

    kind: ClassVar[str] = "name-server"

    def words(self) -> str:
        return f"the task of {self.service} on {self.on} asks another name server"

    def part(self, seen: Seen, fault_id: str) -> Part:
        inside = f'{_DOCKER} exec "$task" sh -c'
        wrong = f"cp /etc/resolv.conf /resolv.was; echo nameserver {_NOWHERE} > /etc/resolv.conf"
        back = "[ ! -e /resolv.was ] || { cat /resolv.was > /etc/resolv.conf; rm /resolv.was; }"
        runs = self._runs(fault_id)
        return Part(
            make=f"{self._find(fault_id)}\n{runs}\n{inside} {shlex.quote(wrong)}",
            heal=f"if {runs}; then\n  {inside} {shlex.quote(back)} || exit 1\nfi\n"
            f"rm -f {self._kept(fault_id)}",
            there=f"{runs} && {inside} 'grep -q {_NOWHERE} /etc/resolv.conf'",
        )


@dataclass(frozen=True)
class TaskLink(_InTask):
    """A task's interface in a network is down."""

    kind: ClassVar[str] = "task-link"

    network: str = ""

    def words(self) -> str:
        return f"the interface of the task of {self.service} in {self.network} is down"

    def part(self, seen: Seen, fault_id: str) -> Part:
        link = f"{FOLDER}/{fault_id}.link"
        network = shlex.quote(
            f'{{{{(index .NetworkSettings.Networks "{self.network}").IPAddress}}}}'
        )
        enter = f'nsenter -t "$({_DOCKER} inspect -f \'{{{{.State.Pid}}}}\' "$task")" -n ip'
        find = (
            f'address=$({_DOCKER} inspect -f {network} "$task") && [ -n "$address" ]\n'
            f"{enter} -o -4 address show to \"$address\" | awk '{{print $2}}' > {link}\n"
            f"[ -s {link} ]"
        )
        runs = self._runs(fault_id)
        there = f'{runs} && {enter} link show "$(cat {link})" | grep -q "state DOWN"'
        return Part(
            make=f'{self._find(fault_id)}\n{runs}\n{find}\n{enter} link set "$(cat {link})" down',
            heal=f"if [ -s {link} ] && {runs}; then\n"
            f'  {enter} link set "$(cat {link})" up || exit 1\nfi\n'
            f"rm -f {self._kept(fault_id)} {link}",
            there=there,
        )


def name_server(on: str, service: str) -> NameServer:
    """Let a service's task on a machine ask another name server."""
    return NameServer(on, service=service)


def task_link(on: str, service: str, network: str) -> TaskLink:
    """Take a service's task on a machine down in a network."""
    return TaskLink(on, service=service, network=network)
