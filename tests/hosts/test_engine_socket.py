"""The Engine API reaches the socket by SSH itself, and by the docker CLI where SSH may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import paramiko
import pytest

from provision.machine.machine import Machine
from provision.providers.existing import HostsProvider
from provision.support.errors import MachineError
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Host


@pytest.fixture
def refusing(two_hosts: list[Host]) -> Iterator[int]:
    """The port of an sshd on machine1 that lets nobody reach a Unix socket."""
    pid = "/run/refusing.pid"
    settings = ["-p", "2022", "-o", "AllowStreamLocalForwarding=no", "-o", f"PidFile={pid}"]
    two_hosts[0].exec("/usr/sbin/sshd", *settings)
    yield 2022
    two_hosts[0].exec("sh", "-c", f"kill $(cat {pid})")


@contextmanager
def machine_of(hosts: list[Host], lab_of: Labs, user: str, port: int = 22) -> Iterator[Machine]:
    """machine1 as that user reaches it."""
    lab = lab_of(hosts, user=user)
    end = HostsProvider(lab).endpoints()["machine1"]
    machine = Machine(lab.machines[0], replace(end, port=port, alias=hosts[0].address))
    try:
        yield machine
    finally:
        machine.close()


def refuses(machine: Machine, socket: str) -> None:
    with pytest.raises(paramiko.ChannelException):
        machine.transport.open_socket(socket, 10)


def helpers(host: Host) -> int:
    """How many docker CLIs pass on what is said to the engine."""
    return int(host.exec("sh", "-c", "pgrep -fc '^docker system dial-stdio' || true").stdout)


@pytest.mark.parametrize("user", ["root", "ops"])
def test_who_may_use_the_socket_needs_no_docker_cli(
    two_hosts: list[Host], lab_of: Labs, user: str
) -> None:
    with machine_of(two_hosts, lab_of, user) as machine:
        assert machine.docker.ping()
        assert helpers(two_hosts[0]) == 0


@pytest.mark.parametrize("user", ["root", "ops"])
def test_where_sshd_refuses_sockets_the_docker_cli_reaches_it(
    two_hosts: list[Host], lab_of: Labs, refusing: int, user: str
) -> None:
    with machine_of(two_hosts, lab_of, user, refusing) as machine:
        refuses(machine, "/var/run/docker.sock")
        assert machine.docker.ping()
        assert helpers(two_hosts[0]) == 1


def test_a_login_without_a_right_to_the_socket_reaches_it_by_sudo(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    with machine_of(two_hosts, lab_of, "plain") as machine:
        refuses(machine, "/var/run/docker.sock")
        assert machine.docker.ping()
        assert helpers(two_hosts[0]) == 1


def test_an_engine_that_is_stopped_is_told_in_words(two_hosts: list[Host], lab_of: Labs) -> None:
    two_hosts[0].exec("systemctl", "stop", "docker.socket", "docker")
    try:
        with (
            machine_of(two_hosts, lab_of, "ops") as machine,
            pytest.raises(MachineError, match="does not answer: nobody listens at its socket"),
        ):
            machine.docker.ping()
    finally:
        two_hosts[0].exec("systemctl", "start", "docker")
        two_hosts[0].wait_ready()


def test_a_socket_that_nobody_listens_at_is_refused_and_other_channels_are_as_ever(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    with machine_of(two_hosts, lab_of, "root") as machine:
        refuses(machine, "/nowhere.sock")
        assert machine.run_checked("echo here") == "here\n"
