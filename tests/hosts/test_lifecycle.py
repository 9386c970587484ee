"""A lab can be thrown away without a thought: killed at any moment, and shown to come out the same.

Everything here goes by the command line, in processes that can be killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.diagnostics import logs
from provision.lab.model import Lab
from provision.providers.vagrant.runner import heeding_interrupts
from scenarios.overlay import overlay
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Host
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

    def killed_when(self, said: str, *words: str) -> None:
        """The verb, killed with -9 when it has said something."""
        process = self.start(*words)
        assert process.stdout is not None
        assert any(said in line for line in process.stdout), said
        process.send_signal(signal.SIGKILL)
        process.communicate()

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


def test_up_killed_at_any_moment_is_resumed(life: Life) -> None:
    # Moments are shares of the quickest `up` so far: the first is the slowest, and how busy the
    # machine is changes meanwhile.
    quickest = life.took("up")
    life.inv("destroy")
    at_work = 0
    for number in range(1, 11):
        at_work += life.killed("up", after=quickest * number / 10)
        life.inv("up")
        life.assert_up()
        life.inv("destroy")
        life.assert_gone()
        if number % 3 == 0:
            quickest = min(quickest, life.took("up"))
            life.inv("destroy")
    assert at_work >= 5


def test_destroy_killed_at_any_moment_is_resumed(life: Life) -> None:
    life.inv("up")
    quickest = life.took("destroy")
    at_work = 0
    for number in range(1, 8):
        life.inv("up")
        at_work += life.killed("destroy", after=quickest * number / 7)
        life.inv("destroy")
        life.assert_gone()
        if number % 3 == 0:
            life.inv("up")
            quickest = min(quickest, life.took("destroy"))
    assert at_work >= 3


def test_rebuild_killed_at_any_moment_is_resumed(life: Life) -> None:
    life.inv("up")
    quickest = life.took("rebuild")
    at_work = 0
    for number in range(1, 8):
        at_work += life.killed("rebuild", after=quickest * number / 7)
        quickest = min(quickest, life.took("rebuild"))
        life.assert_up()
    assert at_work >= 3


def test_a_scenario_killed_at_any_moment_can_be_run_again(life: Life) -> None:
    life.inv("up")
    for step in ("3.", "5.", "7.", "8.", "9.", "13."):
        life.killed_when(f"✓  {step:>3} ", "scenario", "overlay")
    said = life.inv("reproduce", "overlay")
    assert "removing what an earlier run left" in said
    assert said.count("PASSED: ") == 2, said
    # A light host's kernel has no IPVS.
    assert "skipped: the kernel of " in said, said
    life.assert_up()

    # The last one that was killed has its record until then: no run is the same as that.
    *_, killed, whole, _ = sorted(life.lab.reports.iterdir())
    said = life.inv("same", str(killed), str(whole), code=1)
    assert "The two runs differ." in said
    assert "-scenario overlay on lab t: interrupted" in said
    assert "+step 14: ping (task-address) machine2 to <address of 172.45.0.0/16>: 3 of 3" in said


def test_a_machine_that_does_not_answer_makes_status_neither_slow_nor_fail(life: Life) -> None:
    life.inv("up")
    life.hosts[1].link("down")
    try:
        begin = time.monotonic()
        said = json.loads(life.inv("status", "--json"))
        # An emulated or a loaded host is given its time; a TCP connection would take minutes.
        assert time.monotonic() - begin < 60
    finally:
        life.hosts[1].link("up")
    first, second = said["machines"]
    assert (first["state"], first["node"]) == ("running", "ready (leader)")
    assert second["engine"] == ""
    assert second["node"]
    assert [network["name"] for network in said["networks"]] == ["ingress"]


def test_a_frozen_engine_makes_status_neither_slow_nor_fail(life: Life) -> None:
    life.inv("up")
    life.hosts[1].exec("pkill", "-STOP", "-x", "dockerd")
    try:
        said = json.loads(life.inv("status", "--json"))
    finally:
        life.hosts[1].exec("pkill", "-CONT", "-x", "dockerd")
    assert said["machines"][1]["node"]
    assert said["machines"][0]["state"] == "running"


def test_status_is_watched_until_ctrl_c(life: Life) -> None:
    life.inv("up")
    with heeding_interrupts():
        process = life.start("status", "--watch", "--json")
    assert process.stdout is not None
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert all(answer["machines"][1]["node"] == "ready" for answer in answers)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def test_logs_of_all_machines_are_in_one_archive_and_no_token_is(
    life: Life, tmp_path: Path
) -> None:
    life.inv("up")
    tokens = [
        life.hosts[0].exec("docker", "swarm", "join-token", "-q", role).stdout.strip()
        for role in ("worker", "manager")
    ]
    # As if somebody had typed it: the daemon's log and the journal then have it.
    life.hosts[0].exec("systemd-cat", "-t", "dockerd", "echo", f"joined with {tokens[0]}")
    life.hosts[0].exec("sh", "-c", f"echo 'token {tokens[1]}' >> /etc/os-release")
    life.hosts[1].link("down")
    try:
        life.inv("logs", "--output", str(tmp_path / "a.tar.gz"))
    finally:
        life.hosts[1].link("up")
        life.hosts[0].exec("sed", "-i", "/^token/d", "/etc/os-release")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        texts = {
            member.name.split("/", 1)[1]: file.read().decode()
            for member in tar.getmembers()
            if (file := tar.extractfile(member))
        }
    assert set(logs.QUESTIONS) <= {
        name.removeprefix("machine1/") for name in texts if name.startswith("machine1/")
    }
    assert "no SSH" in texts["machine2/NOT-REACHED.txt"]
    assert (
        "Chain DOCKER" in texts["machine1/iptables.txt"]
        or ":DOCKER" in (texts["machine1/iptables.txt"])
    )
    assert "token SWMTKN-<removed>" in texts["machine1/system.txt"]
    for text in texts.values():
        assert not any(token in text for token in tokens)


def test_what_the_lab_is_made_of_is_locked_and_a_difference_is_told(life: Life) -> None:
    life.inv("up")
    lock = life.lab.home / "swarmrig.lock"
    text = lock.read_text()
    entry = json.loads(text)["labs"]["t"]["hosts"]
    assert entry["box"] is None
    assert set(entry["engines"]) == {"machine1", "machine2"}
    assert entry["image"]["id"].startswith("sha256:")
    assert "swarmrig.lock" not in life.inv("up")
    lock.write_text(text.replace(entry["image"]["id"], "sha256:0"))
    assert "differs from swarmrig.lock: image id: locked sha256:0" in life.inv("up")
    assert "image id: locked sha256:0" in life.inv("lock")
    life.inv("lock", "--update")
    assert lock.read_text() == text
    assert "all the same" in life.inv("lock")
    life.inv("destroy")
    assert lock.exists()
    assert "entry removed" in life.inv("lock", "--update")
    assert json.loads(lock.read_text())["labs"] == {}
