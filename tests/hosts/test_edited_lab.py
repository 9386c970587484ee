"""An edited lab.toml over existing hosts: one host fewer, one more, another manager."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import up
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_provision import nodes
from tests.support.progress import quiet


@pytest.fixture
def three_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine11", "machine12", "machine13")
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


def swarm_of(host: Host) -> str:
    form = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"
    return str(host.exec("docker", "info", "-f", form).stdout).strip()


def without(lab: Lab, name: str) -> str:
    """The lab file's text without that machine's table."""
    first, *tables = lab.file.read_text().split("[[machines]]")
    return "[[machines]]".join([first, *(t for t in tables if f'name = "{name}"' not in t)])


def test_hosts_leave_and_join_as_lab_toml_says(three_hosts: list[Host], lab_of: Labs) -> None:
    first, second, third = three_hosts
    lab = lab_of(three_hosts)
    up.up(lab, quiet())
    whole = lab.file.read_text()

    lab.file.write_text(without(lab, "machine13"))
    up.up(load.load(lab.file), quiet())
    assert len(nodes(first)) == 2
    assert swarm_of(third) == "inactive false"
    assert "docker_gwbridge" not in third.exec("docker", "network", "ls").stdout

    lab.file.write_text(whole)
    up.up(load.load(lab.file), quiet())
    assert len(nodes(first)) == 3

    # The only manager goes: another one takes over first, and the swarm stays the same one.
    node = second.exec("docker", "info", "-f", "{{.Swarm.NodeID}}").stdout
    text = without(lab, "machine11")
    lab.file.write_text(text.replace('role = "worker"', 'role = "manager"', 1))
    up.up(load.load(lab.file), quiet())
    assert swarm_of(first) == "inactive false"
    assert swarm_of(second) == "active true"
    assert second.exec("docker", "info", "-f", "{{.Swarm.NodeID}}").stdout == node
    assert len(nodes(second)) == 2
