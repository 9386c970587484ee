"""A lab of light hosts that are reachable and no more, for the time of a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provision.lab.model import Lab
from tests.hosts import root as roots
from tests.hosts.conftest import lab_over
from tests.hosts.light_hosts import Fabric, Host, why_not

_AT_ONCE = 5


@dataclass(frozen=True)
class Light:
    fabric: Fabric
    hosts: list[Host]
    lab: Lab
    image: str = roots.TAG

    def ssh_config(self) -> Path:
        """For OpenSSH's own client: the hosts by their names."""
        file = self.lab.home / "by_hand"
        file.write_text(
            "".join(
                f"Host {host.name}\n  HostName {host.address}\n  User ops\n"
                f"  IdentityFile {host.key}\n  UserKnownHostsFile {self.lab.home}/known_hosts\n"
                for host in self.hosts
            )
        )
        return file


@contextlib.contextmanager
def light_lab(count: int, managers: int = 1) -> Iterator[Light]:
    """`count` hosts with Docker and the image, in no swarm yet. Raises RuntimeError: not here."""
    if reason := why_not():
        raise RuntimeError(reason)
    roots.root(True, roots.chosen())
    fabric = Fabric.start()
    try:
        names = [f"machine{number}" for number in range(1, count + 1)]
        # A few at a time: twenty that boot at once keep each other from it.
        hosts = [
            host
            for first in range(0, count, _AT_ONCE)
            for host in fabric.add(*names[first : first + _AT_ONCE])
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Host.load_image, hosts))
        yield Light(fabric, hosts, lab_over(hosts, managers=managers))
    finally:
        fabric.close()
