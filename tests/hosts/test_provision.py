"""From hosts to a ready swarm, on real daemons: again, after losses, and when things fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from provision.lifecycle import up
from provision.machine.machine import connected
from provision.providers.existing import HostsProvider
from provision.support.errors import MachineError, MachinesError
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.support.progress import quiet


def nodes(host: Host) -> list[str]:
    form = "{{.ID}} {{.Hostname}} {{.Status}}"
    return sorted(host.exec("docker", "node", "ls", "--format", form).stdout.splitlines())


@pytest.fixture
def bare_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine3", "machine4", docker=False)
    yield hosts
    fabric.remove(*hosts)


def test_up_forms_a_swarm_and_a_second_up_changes_nothing(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts)
    up.up(lab, quiet())
    first = nodes(two_hosts[0])
    assert [line.split()[1:] for line in first] in (
        [["machine1", "Ready"], ["machine2", "Ready"]],
        [["machine2", "Ready"], ["machine1", "Ready"]],
    )
    up.up(lab, quiet())
    assert nodes(two_hosts[0]) == first


def test_a_login_outside_the_group_docker_is_let_in(two_hosts: list[Host], lab_of: Labs) -> None:
    up.up(lab_of(two_hosts, user="plain"), quiet())
    assert "plain" in two_hosts[0].exec("getent", "group", "docker").stdout


def test_no_join_token_is_logged_or_stands_on_a_command_line(
    two_hosts: list[Host], lab_of: Labs, caplog: pytest.LogCaptureFixture
) -> None:
    two_hosts[1].exec("docker", "swarm", "leave", "--force")
    with caplog.at_level(logging.DEBUG):
        up.up(lab_of(two_hosts), quiet())
    token = two_hosts[0].exec("docker", "swarm", "join-token", "-q", "worker").stdout.strip()
    assert token.startswith("SWMTKN-")
    assert token not in caplog.text
    for host in two_hosts:
        # sudo and sshd log the commands that are run.
        assert token not in host.exec("journalctl", "--no-pager").stdout


def test_a_machine_made_anew_replaces_its_old_entry(two_hosts: list[Host], lab_of: Labs) -> None:
    up.up(lab_of(two_hosts), quiet())
    two_hosts[1].recreate()
    two_hosts[1].wait_ready()
    two_hosts[1].load_image()
    up.up(lab_of(two_hosts), quiet())
    names = [line.split()[1] for line in nodes(two_hosts[0])]
    assert sorted(names) == ["machine1", "machine2"]


def test_an_image_that_is_nowhere_is_told_with_what_to_do(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    with pytest.raises(MachinesError, match="cannot be pulled") as caught:
        up.up(lab_of(two_hosts, image="nobody/nothing:1"), quiet())
    assert "images.archives" in caught.value.report()


def test_ssh_that_is_refused_is_told_by_name(two_hosts: list[Host], lab_of: Labs) -> None:
    lab = lab_of(two_hosts)
    two_hosts[1].exec("systemctl", "stop", "ssh")
    try:
        with (
            pytest.raises(MachineError, match=r"machine2: no SSH at ops@10\.77\.0\.2:22"),
            connected(lab, HostsProvider(lab).endpoints()) as machines,
        ):
            machines["machine2"].connect(patience=1)
    finally:
        two_hosts[1].exec("systemctl", "start", "ssh")


def test_docker_is_installed_where_it_is_missing(bare_hosts: list[Host], lab_of: Labs) -> None:
    lab = lab_of(bare_hosts)
    with pytest.raises(MachinesError, match="cannot be pulled"):
        # The engine is there afterwards; the image alone is not, for there is no registry.
        up.up(lab, quiet())
    for host in bare_hosts:
        assert host.exec("docker", "version", check=False).returncode == 0
        host.load_image()
    assert set(up.up(lab, quiet()).engines) == {"machine3", "machine4"}
