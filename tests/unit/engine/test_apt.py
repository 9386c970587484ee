"""Package tools are waited for while others hold their locks, and for nothing else."""

from __future__ import annotations

import os

import pytest

from provision.engine import apt
from tests.unit.engine.fake_system import LOCKED_ONCE, FakeSystem

HELD = [
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process PID (apt-get)",
    "E: Could not get lock /var/cache/apt/archives/lock - open (11: Resource temporarily "
    "unavailable)",
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process "
    "using it?",
    "dpkg: error: dpkg frontend lock was locked by another process with pid PID",
    "dpkg: error: dpkg database lock was locked by another process with pid PID",
    # Debian 13.
    "dpkg: error: dpkg frontend lock was locked by perl process with pid PID",
    "error: can't create transaction lock on /usr/lib/sysimage/rpm/.rpm.lock (Resource temporarily "
    "unavailable)",
]
OTHER = [
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?",
    "E: Could not open lock file /var/lib/apt/lists/lock - open (30: Read-only file system)",
    "E: Unable to fetch some archives",
]


@pytest.mark.parametrize("said", HELD)
def test_a_lock_is_waited_for_and_its_holder_named_once(system: FakeSystem, said: str) -> None:
    mine = str(os.getpid())
    system.command(
        "apt-get",
        f'[ "$(grep -c ^apt-get "$ROOT/log")" -gt 3 ] || {{ echo "{said.replace("PID", mine)}" >&2;'
        " exit 100; }",
    )
    done = system.run(f"set -e\n{apt.APT} update\ntouch {system.root}/done")
    assert done.returncode == 0
    assert (system.root / "done").exists()
    assert system.calls("apt-get", "sleep") == [
        *["apt-get -q update", "sleep 2"] * 3,
        "apt-get -q update",
    ]
    told = [line for line in done.stderr.splitlines() if line.startswith(apt.MARK)]
    assert len(told) == 2
    assert "waiting for the package manager's lock" in told[0]
    assert (f"process {mine} (" if "PID" in said else "another process") in told[0]
    assert "the lock is free: apt-get -q update" in told[1]
    # What was only waited for is no error.
    assert said[:20] not in done.stderr


@pytest.mark.parametrize("said", OTHER)
def test_another_failure_is_not_waited_for(system: FakeSystem, said: str) -> None:
    system.command("apt-get", f'echo "{said}" >&2; exit 100')
    done = system.run(f"set -e\n{apt.APT} update\necho further")
    assert (done.returncode, done.stdout) == (100, "")
    assert done.stderr == f"{said}\n"
    assert system.calls("sleep") == []


def test_one_script_waits_so_long_in_all_and_then_says_for_whom(system: FakeSystem) -> None:
    said = f"E: Could not get lock x. It is held by process {os.getpid()} (pytest)"
    system.command("apt-get", LOCKED_ONCE.format(said=said))
    system.command("dpkg", f'echo "{said}" >&2; exit 2')
    done = system.run(f"{apt.APT} update\n{apt.CONFIGURE}\necho further", patience=10)
    assert (done.returncode, done.stdout) == (apt.LOCKED, "")
    assert len(system.calls("sleep")) == 5
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"the lock was not free within 10 s: process {os.getpid()} (")


def test_tools_ask_nothing_speak_english_and_leave_no_files(system: FakeSystem) -> None:
    system.command("apt-get", 'env; cat "$APT_CONFIG"')
    done = system.run(f"{apt.APT} update")
    for setting in ("DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=a", "LC_ALL=C"):
        assert setting in done.stdout.splitlines()
    assert "--force-confold" in done.stdout
    assert list((system.root / "tmp").iterdir()) == []


def test_what_is_installed_or_unknown_is_not_named_to_apt(system: FakeSystem) -> None:
    system.installed("iptables", "docker.io")
    system.known("iptables", "docker.io", "docker-cli", "tcpdump")
    done = system.run("set -e\nlacking docker.io iptables docker-cli no-such tcpdump iptables")
    assert done.stdout.split() == ["docker-cli", "tcpdump"]
    assert done.returncode == 0
