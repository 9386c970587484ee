"""A laptop's life: power cuts, suspends, reboots, restarts of Docker; and `inv up` afterwards.

A power cut is the end of every process at once; the kernel below lives on, so that what was written
to a disk is there: a disk that a power cut has damaged needs a virtual machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.test_lifecycle import Life
from tests.hosts.test_provision import nodes

# What a user had started, and wants to find again.
SERVICE, SECRET = "web", "password"


@pytest.fixture(scope="module")
def three_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine15", "machine16", "machine17")
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


@pytest.fixture
def life(three_hosts: list[Host], lab_of: Labs) -> Iterator[Life]:
    """The lab as most have it: a manager and two workers."""
    made = Life(lab_of(three_hosts), three_hosts)
    made.inv("up")
    yield made
    boot(*(host for host in three_hosts if not host.on))
    made.inv("destroy")


@pytest.fixture
def managers(three_hosts: list[Host], lab_of: Labs) -> Iterator[Life]:
    """The lab with three managers."""
    made = Life(lab_of(three_hosts, managers=3), three_hosts)
    made.inv("up")
    yield made
    boot(*(host for host in three_hosts if not host.on))
    made.inv("destroy")


def start_service(life: Life) -> list[str]:
    """A service with a task on each node and a secret; the swarm's nodes."""
    first = life.hosts[0]
    first.exec("sh", "-c", f"echo open-sesame | docker secret create {SECRET} -")
    options = (
        f"-q -t --name {SERVICE} --replicas {len(life.hosts)} --replicas-max-per-node 1 "
        f"--secret {SECRET} --stop-grace-period 1s --no-resolve-image"
    )
    first.exec("docker", "service", "create", *options.split(), roots.TAG)
    return nodes(first)


def running(host: Host) -> int:
    """How many tasks of the service this host's engine runs."""
    form = ("-q", "--filter", f"name={SERVICE}.", "--filter", "status=running")
    return len(host.exec("docker", "ps", *form).stdout.split())


def wait_for_task(host: Host) -> None:
    wait_for(f"the service on {host.name}", lambda: running(host) == 1)


def has_secret(host: Host) -> bool:
    """Whether the service's only container here shows the secret; one that ends may not."""
    tasks = host.exec("docker", "ps", "-q", "--filter", f"name={SERVICE}.").stdout.split()
    read = ("cat", f"/run/secrets/{SECRET}")
    return len(tasks) == 1 and (
        host.exec("docker", "exec", tasks[0], *read, check=False).stdout == "open-sesame\n"
    )


def assert_as_before(life: Life, before: list[str]) -> None:
    """The same nodes, all Ready, and the service on each of them with its secret."""
    assert nodes(life.hosts[0]) == before
    for host in life.hosts:
        wait_for(f"the service with its secret on {host.name}", partial(has_secret, host))


def boot(*hosts: Host) -> None:
    for host in hosts:
        host.boot()
    with ThreadPoolExecutor() as pool:
        list(pool.map(Host.wait_ready, hosts))


def wait_until_down(manager: Host, host: Host) -> None:
    """Until the manager, or the leader that it asks, has missed the other's heartbeats."""

    def down() -> bool:
        inspect = ("docker", "node", "inspect", "-f", "{{.Status.State}}", host.name)
        return manager.exec(*inspect, check=False).stdout.strip() == "down"

    wait_for(f"{host.name} to be down", down)


# -- power cuts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [[1], [0], [0, 1, 2]], ids=["a worker", "the manager", "all"])
def test_after_a_power_cut_up_brings_the_swarm_and_its_service_back(
    life: Life, which: list[int]
) -> None:
    before = start_service(life)
    cut = [life.hosts[number] for number in which]
    for host in cut:
        host.crash()
    boot(*cut)
    life.inv("up")
    assert_as_before(life, before)
    if len(cut) == len(life.hosts):
        life.inv("scenario", "spread")


def test_of_three_managers_one_can_fail_or_all_and_come_back(managers: Life) -> None:
    before = start_service(managers)
    first, second, third = managers.hosts
    first.crash()
    wait_until_down(second, first)
    said = managers.inv("up", code=3)
    assert f"{first.name}: no SSH" in said
    assert "no SSH" not in said.replace(f"{first.name}: no SSH", "")
    boot(first)
    managers.inv("up")
    assert_as_before(managers, before)
    for host in managers.hosts:
        host.crash()
    boot(third, first, second)
    managers.inv("up")
    assert_as_before(managers, before)


@pytest.mark.parametrize("moment", ["start the swarm", "join the swarm of", "Ready in the swarm"])
def test_after_a_power_cut_of_all_during_up_the_next_up_resumes(life: Life, moment: str) -> None:
    life.inv("destroy")
    process = life.start("up")
    assert process.stdout is not None
    assert any(moment in line for line in process.stdout)
    for host in life.hosts:
        host.crash()
    rest = process.stdout.read()
    process.stdout.close()
    # It may have come to its end already.
    assert process.wait(300) in ((0, 3) if moment.startswith("Ready") else (3,)), rest
    boot(*life.hosts)
    life.inv("up")
    assert [line.split()[2] for line in nodes(life.hosts[0])] == ["Ready"] * 3


def test_what_a_service_needs_is_not_waited_for_while_a_host_stays_off(life: Life) -> None:
    """`inv up` names the host that is off; the others and their service are left alone."""
    start_service(life)
    first, second, third = life.hosts
    third.crash()
    wait_until_down(first, third)
    said = life.inv("up", code=3)
    assert f"{third.name}: no SSH" in said
    assert running(first) == running(second) == 1
    boot(third)
    life.inv("up")
    wait_for_task(third)


# -- suspended ------------------------------------------------------------------------------------


def test_after_hosts_stood_still_for_long_up_finds_the_swarm_as_it_was(life: Life) -> None:
    before = start_service(life)
    first, second, third = life.hosts
    with second.frozen(), third.frozen():
        for host in (second, third):
            wait_until_down(first, host)
    life.inv("up")
    assert_as_before(life, before)


def test_after_all_hosts_stood_still_up_finds_the_swarm_as_it_was(managers: Life) -> None:
    before = start_service(managers)
    first, second, third = managers.hosts
    with first.frozen():
        wait_until_down(second, first)
        # The last one left has no quorum, and is suspended as well.
        with second.frozen():
            wait_for(
                "a lost quorum",
                lambda: third.exec("docker", "node", "ls", check=False).returncode != 0,
            )
            with third.frozen():
                pass  # All of them do now.
    managers.inv("up")
    assert_as_before(managers, before)


# -- reboots, and Docker restarted beneath the swarm ----------------------------------------------


@pytest.mark.parametrize("which", [[0], [2, 1, 0]], ids=["the manager", "all, in another order"])
def test_after_a_reboot_up_finds_the_swarm_as_it_was(life: Life, which: list[int]) -> None:
    before = start_service(life)
    rebooted = [life.hosts[number] for number in which]
    for host in rebooted:
        host.shut_down()
    for host in rebooted:
        boot(host)
    life.inv("up")
    assert_as_before(life, before)


def test_a_killed_containerd_and_restarted_engines_change_nothing(life: Life) -> None:
    before = start_service(life)
    for host in life.hosts:
        host.exec("systemctl", "kill", "--signal=KILL", "containerd")
        host.exec("systemctl", "restart", "docker")
    life.inv("up")
    assert_as_before(life, before)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        # Packages of some distributions set it, and a swarm refuses it.
        ('"live-restore": true', 'live-restore on ("live-restore" in /etc/docker/daemon.json)'),
        ('"default-runtime": "none-such"', "none-such"),
    ],
    ids=["live-restore", "an unknown runtime"],
)
def test_an_engine_that_a_setting_keeps_from_starting_is_told_with_its_own_words(
    life: Life, setting: str, words: str
) -> None:
    before = start_service(life)
    second = life.hosts[1]
    was = second.exec("cat", "/etc/docker/daemon.json").stdout
    second.exec("sed", "-i", f"s/^{{/{{{setting}, /", "/etc/docker/daemon.json")
    try:
        second.exec("systemctl", "restart", "docker", check=False)
        said = life.inv("up", code=3)
        assert words in said.partition(f"{second.name}: ")[2]
    finally:
        second.exec("sh", "-c", f"cat > /etc/docker/daemon.json <<'END'\n{was}\nEND")
        second.exec("systemctl", "reset-failed", "docker", "docker.socket", check=False)
    life.inv("up")
    assert_as_before(life, before)


# -- Docker upgraded ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def older_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    """Two hosts whose Docker is the one of Debian 13, and the next Debian's is at hand."""
    roots.root(True, "forky")
    hosts = fabric.add("machine18", "machine19", release="trixie")
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


def version(host: Host) -> str:
    return str(host.exec("docker", "version", "-f", "{{.Server.Version}}").stdout.strip())


def test_docker_upgraded_inside_machines_is_told_and_nothing_is_lost(
    older_hosts: list[Host], lab_of: Labs
) -> None:
    """A host is shut down and boots with the next Debian's Docker; its disk is the same."""
    life = Life(lab_of(older_hosts), older_hosts)
    life.inv("up")
    before = start_service(life)
    lines = []
    for host in reversed(older_hosts):
        old = version(host)
        host.shut_down()
        host.root = roots.root(True, "forky")
        boot(host)
        assert int(version(host).split(".")[0]) >= roots.RELEASES["forky"].docker_major
        lines.append(f"Docker on {host.name}: locked {old}, here {version(host)}")
        said = life.inv("up")
        assert all(f"differs from swarmrig.lock: {line}" in said for line in lines)
        assert_as_before(life, before)
    assert json.loads(life.inv("status", "--json"))["differs"] == lines[::-1]
    assert all(line in life.inv("lock") for line in lines)
    life.inv("lock", "--update")
    assert "differs" not in life.inv("up")
    life.inv("destroy")
