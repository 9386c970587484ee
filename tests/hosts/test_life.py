"""A lab can be thrown away without a thought: killed at any moment, and shown to come out the same.

Everything here goes by the command line, in processes that can be killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.definition import Lab
from scenarios.overlay import overlay
from tests.hosts.conftest import Labs
from tests.hosts.fabric import Fabric, Host
from tests.hosts.test_provision import nodes

CLONE = Path(__file__).parent.parent.parent


@dataclass
class Life:
    """The lab, and its verbs as processes of their own."""

    lab: Lab
    hosts: list[Host]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(CLONE / ".venv" / "bin" / "inv"), *words],
            cwd=CLONE,
            env={**os.environ, "SWARMRIG_LAB": str(self.lab.file)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def inv(self, *words: str, code: int | None = 0) -> str:
        process = self.start(*words)
        said, _ = process.communicate(timeout=300)
        assert code is None or process.returncode == code, said
        return said

    def killed(self, *words: str, after: float) -> bool:
        """The verb, killed with -9 after so many seconds; whether it was still at work then."""
        process = self.start(*words)
        try:
            process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return process.returncode == -signal.SIGKILL

    def took(self, *words: str, code: int | None = 0) -> float:
        begin = time.monotonic()
        self.inv(*words, code=code)
        return time.monotonic() - begin

    # -- what must hold when a verb has reached its goal ------------------------------------------

    def assert_up(self) -> None:
        assert [line.split()[1:] for line in nodes(self.hosts[0])].count(["machine2", "Ready"]) == 1
        assert len(nodes(self.hosts[0])) == 2
        self.assert_clean()

    def assert_gone(self) -> None:
        assert not self.lab.state.parent.exists()
        for host in self.hosts:
            assert host.exec("docker", "info", "-f", "{{.Swarm.LocalNodeState}}").stdout == (
                "inactive\n"
            )
        self.assert_clean()

    def assert_clean(self) -> None:
        assert list(self.lab.home.rglob(".*.part")) == []
        for host in self.hosts:
            assert host.exec("sh", "-c", "ls /tmp/swarmrig-* 2>/dev/null; true").stdout == ""
            assert host.exec("docker", "ps", "-aq").stdout == ""
            assert overlay.networks[0] not in host.exec("docker", "network", "ls").stdout

            def captures(host: Host = host) -> str:
                return host.exec("pgrep", "-x", "tcpdump", check=False).stdout

            # sshd sees a moment later that the one who watched is gone.
            Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.3), retry=retry_if_result(bool))(
                captures
            )


@pytest.fixture
def life(two_hosts: list[Host], lab_of: Labs) -> Iterator[Life]:
    made = Life(lab_of(two_hosts), two_hosts)
    yield made
    made.inv("destroy")


def moments(whole: float, count: int) -> Iterator[float]:
    """So many moments, spread over what the verb takes."""
    return (whole * number / count for number in range(1, count + 1))


def test_up_killed_at_any_moment_is_gone_on_with(life: Life) -> None:
    whole = life.took("up")
    life.inv("destroy")
    at_work = 0
    for moment in moments(whole, 10):
        at_work += life.killed("up", after=moment)
        life.inv("up")
        life.assert_up()
        life.inv("destroy")
        life.assert_gone()
    assert at_work >= 7


def test_destroy_killed_at_any_moment_is_gone_on_with(life: Life) -> None:
    life.inv("up")
    whole = life.took("destroy")
    at_work = 0
    for moment in moments(whole, 6):
        life.inv("up")
        at_work += life.killed("destroy", after=moment)
        life.inv("destroy")
        life.assert_gone()
    assert at_work >= 4


def test_rebuild_killed_at_any_moment_is_gone_on_with(life: Life) -> None:
    life.inv("up")
    whole = life.took("rebuild")
    at_work = 0
    for moment in moments(whole, 6):
        at_work += life.killed("rebuild", after=moment)
        life.inv("rebuild")
        life.assert_up()
    assert at_work >= 4


def test_a_scenario_killed_at_any_moment_can_be_run_again(life: Life) -> None:
    life.inv("up")
    whole = life.took("scenario", "overlay", code=1)
    at_work = 0
    for moment in moments(whole, 8):
        at_work += life.killed("scenario", "overlay", after=moment)
    said = life.inv("scenario", "overlay", code=1)
    assert "removing what an earlier run left" in said or at_work == 0
    life.assert_up()
    assert at_work >= 6


def test_a_scenario_comes_out_the_same_after_a_rebuild(life: Life, fabric: Fabric) -> None:
    life.inv("up")
    # There is no IPVS in a light host's kernel: the same two expectations fail in both runs.
    said = life.inv("reproduce", "overlay", code=1)
    assert "Both runs gave the same, and neither passed" in said, said
    first, second = sorted(life.lab.reports.iterdir())
    with fabric.dropping("-p", "udp", "--dport", "4789"):
        life.inv("scenario", "overlay", code=1)
    third = max(life.lab.reports.iterdir())
    said = life.inv("same", str(second), str(third), code=1)
    assert "The two runs differ." in said
    assert "+step 14: ping (task-address) machine2 to <address of 172.45.0.0/16>: 0 of" in said
    assert first != second
