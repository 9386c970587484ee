"""Ten machines and three managers, by the same code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.lifecycle import up
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_provision import nodes
from tests.support.progress import quiet


@pytest.fixture
def ten_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add(*(f"machine{number}" for number in range(1, 11)))
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


def managers(host: Host) -> set[str]:
    form = "{{.Hostname}} {{.ManagerStatus}}"
    lines = host.exec("docker", "node", "ls", "--format", form).stdout.splitlines()
    return {line.split()[0] for line in lines if len(line.split()) > 1}


def test_ten_hosts_with_three_managers_and_a_quorum_that_is_lost(
    ten_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(ten_hosts, managers=3)
    up.up(lab, quiet())
    assert len(nodes(ten_hosts[0])) == 10
    assert managers(ten_hosts[0]) == {"machine1", "machine2", "machine3"}

    # Two of three managers are recreated at once: the third has no quorum any more.
    for host in ten_hosts[:2]:
        host.recreate()
    for host in ten_hosts[:2]:
        host.wait_ready()
        host.load_image()
    up.up(lab_of(ten_hosts, managers=3), quiet(), recover_swarm=True)
    after = nodes(ten_hosts[2])
    assert sorted(line.split()[1] for line in after) == sorted(h.name for h in ten_hosts)
    assert {line.split()[2] for line in after} == {"Ready"}
    assert managers(ten_hosts[2]) == {"machine1", "machine2", "machine3"}
