"""From hosts to a ready swarm, on real daemons: again, after losses, and when things fail."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from provision.changes.journal import of_lab
from provision.lifecycle import up
from provision.machine.machine import connected
from provision.providers.existing import HostsProvider
from provision.support.errors import MachineError, MachinesError
from provision.support.progress import Progress
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


def test_a_recreated_machine_replaces_its_old_entry(two_hosts: list[Host], lab_of: Labs) -> None:
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


_GO, _SLOW = "/run/go", "/etc/systemd/system/docker.service.d/slow.conf"
_STARTS_SLOWLY = f"""
set -e
mkdir -p {_SLOW.rpartition("/")[0]}
printf '[Service]\\nExecStartPre=/bin/sh -c "until [ -e {_GO} ]; do sleep 0.1; done"\\n' > {_SLOW}
systemctl daemon-reload
systemctl stop docker.socket docker
systemctl start --no-block docker.socket docker
"""
_STARTS_AS_BEFORE = f"""
touch {_GO}
rm {_SLOW}
systemctl daemon-reload
systemctl start docker
rm {_GO}
"""


def test_an_engine_that_is_just_being_started_is_waited_for_and_not_written_down_as_stopped(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    """As when a host boots: what is written down as stopped is stopped when the lab is gone."""
    lab, second = lab_of(two_hosts), two_hosts[1]

    class Printed(io.StringIO):
        """The engine comes up as soon as somebody says that it is waited for."""

        def write(self, text: str) -> int:
            if "machine2: waiting for Docker to start" in text:
                second.exec("touch", _GO)
            return super().write(text)

    second.exec("sh", "-c", _STARTS_SLOWLY)
    try:
        up.up(lab, quiet(Printed()))
        assert second.exec("systemctl", "is-active", "docker").stdout == "active\n"
        assert "daemon" not in {entry.kind for entry in of_lab(lab).of("machine2")}
    finally:
        second.exec("sh", "-c", _STARTS_AS_BEFORE)


LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
# Takes a lock as apt and dpkg do (fcntl), says so by a file, and keeps it until it is ended.
# The layout is that of struct flock on a 64-bit Linux.
_HOLD = """
use Fcntl qw(:DEFAULT :flock);
sysopen(my $file, $ARGV[0], O_RDWR | O_CREAT) or die $!;
my $lock = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
fcntl($file, F_SETLK, $lock) or die $!;
open(my $told, ">", $ARGV[1]) or die $!;
sleep;
"""


def held(host: Host) -> dict[str, str]:
    """Every lock of the package manager, each held by a process of its own: unit by process id."""
    units = {}
    for number, lock in enumerate(LOCKS):
        unit, told = f"holder{number}", f"/run/held{number}"
        # systemd would put variables of its own in the place of Perl's.
        program = _HOLD.replace("$", "$$")
        host.exec("systemd-run", f"--unit={unit}", "perl", "-e", program, lock, told)
        host.exec("timeout", "120", "sh", "-c", f"until [ -e {told} ]; do sleep 0.1; done")
        pid = host.exec("systemctl", "show", "-P", "MainPID", unit).stdout.strip()
        units[pid] = unit
    return units


class Releasing(Progress):
    """Ends the holder of a lock as soon as it is told that it is waited for."""

    def __init__(self, host: Host, units: dict[str, str]) -> None:
        super().__init__(Console(file=io.StringIO()))
        self._host, self._units = host, units
        self.ended: list[str] = []

    def phase(self, machine: str, text: str) -> None:
        super().phase(machine, text)
        if found := re.search(r"waiting for .* lock, held by process (\d+)", text):
            self.ended.append(self._units[found[1]])
            self._host.exec("systemctl", "stop", self._units[found[1]])


def test_an_installation_waits_for_every_lock_that_a_fresh_image_holds(
    bare_hosts: list[Host], lab_of: Labs
) -> None:
    """As beside unattended-upgrades: the locks of dpkg, of its frontend, and of apt's lists."""
    progress = Releasing(bare_hosts[0], held(bare_hosts[0]))
    with pytest.raises(MachinesError, match="cannot be pulled"):
        up.up(lab_of(bare_hosts), progress)
    assert sorted(progress.ended) == ["holder0", "holder1", "holder2"]
    for host in bare_hosts:
        assert host.exec("docker", "version", check=False).returncode == 0
