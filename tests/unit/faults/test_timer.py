"""Healing is armed first, and heals once: by a timer, by hand, or where making came too late."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.faults import library, timer
from provision.faults.fault import FOLDER, LASTING, Part, Seen

LABEL = timer.Label("0a1b2c3d", "t", "partition", 'it\'s a fault; `of` "words" $HOME', 60)


class Machine:
    """A shell without systemd, whose faults are files: a fault is there while `effect` is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.effect = root / "effect"
        self.part = Part(make=f": > {self.effect}", heal=f"rm -f {self.effect}")
        (root / "bin").mkdir()
        self.program("systemctl", 'echo "$@" >> "$ROOT/systemctl"; [ "$1" != is-active ]')

    def program(self, name: str, text: str) -> None:
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", self.moved(text)],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "ROOT": str(self.root),
            },
        )

    def moved(self, text: str) -> str:
        """Shell text with the machine's folders below its root."""
        for folder, here in (
            (FOLDER, "faults"),
            (LASTING, "faults-lasting"),
            ("/etc/docker", "docker"),
        ):
            text = text.replace(folder, str(self.root / here))
        return text

    def arm(self, label: timer.Label = LABEL, systemd: bool = False) -> None:
        done = self.run(timer.armed(label, self.part, systemd))
        assert done.returncode == 0, done.stderr

    def waiting(self) -> list[str]:
        """The processes that wait to heal something here."""
        lines = (path / "cmdline" for path in Path("/proc").glob("[0-9]*"))
        found = []
        for line in lines:
            with contextlib.suppress(OSError):
                text = line.read_bytes().decode(errors="replace")
                found += [text] if f"{self.root}/faults" in text else []
        return found

    def wait_for_none(self) -> None:
        """Wait until no process waits here: one that was told to end takes a moment."""
        end = time.monotonic() + 60
        while self.waiting() and time.monotonic() < end:
            time.sleep(0.1)
        assert self.waiting() == []

    def traces(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("faults*/**/*"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.run(timer.healed(LABEL.fault_id))


def test_a_fault_is_armed_made_listed_and_healed_and_nothing_is_left(machine: Machine) -> None:
    machine.arm()
    assert not machine.effect.exists()
    assert machine.run(timer.made(LABEL, machine.part)).returncode == 0
    assert machine.effect.exists()
    (line,) = machine.run(timer.listing("t")).stdout.splitlines()
    fault_id, kind, left, words = line.split("\t")
    assert (fault_id, kind, words) == ("0a1b2c3d", "partition", LABEL.words)
    assert 0 < int(left) <= 60
    assert machine.run(timer.listing("other")).stdout == ""
    for said in ("healed\n", ""):
        done = machine.run(timer.healed(LABEL.fault_id))
        assert (done.returncode, done.stdout) == (0, said)
    assert not machine.effect.exists()
    assert not (machine.root / "faults").exists()


def test_without_systemd_a_process_of_its_own_heals_when_the_time_is_over(
    machine: Machine,
) -> None:
    machine.arm(timer.Label("0a1b2c3d", "t", "partition", "w", 1))
    machine.run(timer.made(LABEL, machine.part))
    end = time.monotonic() + 30
    while (machine.root / "faults").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not machine.effect.exists()
    assert not (machine.root / "faults").exists()


def test_healed_by_hand_the_process_that_waits_ends_as_well(machine: Machine) -> None:
    machine.arm(timer.Label("0a1b2c3d", "t", "partition", "w", 3000))
    file = machine.root / "faults" / "0a1b2c3d.pid"
    end = time.monotonic() + 30
    while not (file.exists() and file.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.05)
    pid = file.read_text().strip()
    machine.run(timer.healed(LABEL.fault_id))
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < end:
        if not Path(f"/proc/{pid}/cmdline").read_bytes():
            break  # it has ended, and nobody has asked for it
        time.sleep(0.05)
    assert time.monotonic() < end


def test_healed_the_moment_it_is_armed_no_process_waits_on(machine: Machine) -> None:
    for _ in range(20):
        machine.arm(timer.Label("0a1b2c3d", "t", "partition", "w", 3001.5))
        machine.run(timer.healed(LABEL.fault_id))
        assert not (machine.root / "faults").exists()
    machine.wait_for_none()


def test_a_process_whose_healing_is_gone_ends(machine: Machine) -> None:
    machine.arm(timer.Label("0a1b2c3d", "t", "partition", "w", 1))
    (machine.root / "faults" / "0a1b2c3d.heal").unlink()
    machine.wait_for_none()


def test_made_after_its_time_it_is_not_made(machine: Machine) -> None:
    machine.arm()
    machine.run(timer.healed(LABEL.fault_id))
    done = machine.run(timer.made(LABEL, machine.part))
    assert (done.returncode, done.stderr) == (timer.OVER, "its time is over already\n")
    assert not machine.effect.exists()


def test_a_healing_that_fails_stays_armed(machine: Machine) -> None:
    machine.part = Part(make=f": > {machine.effect}", heal="[ -e $ROOT/can ] || exit 1")
    machine.arm()
    assert machine.run(timer.healed(LABEL.fault_id)).returncode != 0
    assert machine.run(timer.listing("t")).stdout
    (machine.root / "can").touch()
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"


def test_with_systemd_the_timer_is_a_unit_that_tries_until_it_is_healed(machine: Machine) -> None:
    machine.program("systemd-run", 'printf "%s\\n" "$@" > "$ROOT/asked"')
    machine.arm(systemd=True)
    asked = (machine.root / "asked").read_text().splitlines()
    assert {"--unit=swarmrig-fault-0a1b2c3d", "--on-active=60", "Restart=on-failure"} <= set(asked)
    assert {"--collect", "--timer-property=AccuracySec=100ms"} <= set(asked)
    machine.run(timer.healed(LABEL.fault_id))
    assert "stop swarmrig-fault-0a1b2c3d.timer" in (machine.root / "systemctl").read_text()


def test_where_nothing_can_be_armed_nothing_is_left_and_nothing_made(machine: Machine) -> None:
    machine.program("systemd-run", "echo no bus >&2; exit 1")
    done = machine.run(timer.armed(LABEL, machine.part, systemd=True))
    assert (done.returncode, done.stderr) == (1, "no bus\n")
    assert not (machine.root / "faults").exists()
    assert machine.run(timer.made(LABEL, machine.part)).returncode == timer.OVER


def test_a_clock_is_set_back_to_what_it_would_show_and_its_keepers_start_again(
    machine: Machine,
) -> None:
    machine.program(
        "date",
        'case "$*" in +%s) cat "$ROOT/now";; *) echo "${3#@}" > "$ROOT/now";; esac',
    )
    machine.program(
        "systemctl",
        'echo "$@" >> "$ROOT/systemctl"; case "$*" in "-q is-active chrony") ;; *is-active*) '
        "exit 3;; esac",
    )
    now = machine.root / "now"
    now.write_text("1000000\n")
    seen = Seen(machine="m", lab="t", address="10.0.0.2")
    machine.part = library.clock("m", -7200).part(seen, LABEL.fault_id)
    machine.arm()
    assert machine.run(timer.made(LABEL, machine.part)).returncode == 0
    assert now.read_text() == "992800\n"
    machine.run(timer.healed(LABEL.fault_id))
    assert 1000000 <= int(now.read_text()) < 1000060
    asked = [
        line
        for line in (machine.root / "systemctl").read_text().splitlines()
        if "chrony" in line.split() and "is-active" not in line
    ]
    assert asked == ["stop chrony", "start chrony"]
    assert not (machine.root / "faults").exists()


# -- two of one kind ------------------------------------------------------------------------------

# An interface whose root is the handle in a file; the kernel's own is 0:.
TC = """
case "$*" in
  "qdisc show"*) echo "qdisc htb $(cat "$ROOT/root") root refcnt 2";;
  "qdisc add dev eth1 root handle"*) echo "$7" > "$ROOT/root";;
  "qdisc del"*) echo 0: > "$ROOT/root";;
esac
"""
SECOND = timer.Label("4e5f6a7b", "t", "rate", "w", 60)
SEEN = Seen(
    machine="m",
    lab="t",
    address="10.0.0.2",
    peers=("10.0.0.1",),
    device="eth1",
    docker=True,
    tools=frozenset({"tc"}),
)


def test_a_second_limit_is_refused_and_its_end_leaves_the_first_one_there(
    machine: Machine,
) -> None:
    machine.program("tc", TC)
    root = machine.root / "root"
    root.write_text("0:\n")
    machine.part = library.rate("m").part(SEEN, LABEL.fault_id)
    machine.arm()
    assert machine.run(timer.made(LABEL, machine.part)).returncode == 0
    assert root.read_text() == "5357:\n"
    second = library.delay("m").part(SEEN, SECOND.fault_id)
    machine.run(timer.armed(SECOND, second, systemd=False))
    done = machine.run(timer.made(SECOND, second))
    assert (done.returncode, done.stderr) == (73, "eth1 has such a fault already: heal it first\n")
    assert machine.run(timer.healed(SECOND.fault_id)).stdout == "healed\n"
    assert root.read_text() == "5357:\n"
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
    assert root.read_text() == "0:\n"
    assert not (machine.root / "faults").exists()


def test_a_daemon_that_is_frozen_already_stays_so_until_the_first_fault_heals(
    machine: Machine,
) -> None:
    with subprocess.Popen(["sleep", "600"]) as daemon:
        machine.program("systemctl", f"echo MainPID={daemon.pid}")
        status = Path(f"/proc/{daemon.pid}/status")

        def frozen(wanted: bool) -> bool:
            """A signal takes a moment to be taken."""
            end = time.monotonic() + 30
            while ("State:\tT" in status.read_text()) != wanted and time.monotonic() < end:
                time.sleep(0.05)
            return "State:\tT" in status.read_text()

        try:
            machine.part = library.freeze_daemon("m").part(SEEN, LABEL.fault_id)
            machine.arm()
            assert machine.run(timer.made(LABEL, machine.part)).returncode == 0
            assert frozen(wanted=True)
            second = library.freeze_daemon("m").part(SEEN, SECOND.fault_id)
            machine.run(timer.armed(SECOND, second, systemd=False))
            done = machine.run(timer.made(SECOND, second))
            assert (done.returncode, done.stderr) == (
                73,
                "Docker's daemon is frozen already: heal it first\n",
            )
            machine.run(timer.healed(SECOND.fault_id))
            assert frozen(wanted=True)
            machine.run(timer.healed(LABEL.fault_id))
            assert not frozen(wanted=False)
            assert not (machine.root / "faults").exists()
        finally:
            daemon.kill()


def test_a_clock_that_is_wrong_already_is_not_taken_for_the_right_time(machine: Machine) -> None:
    machine.program("date", 'case "$*" in +%s) echo 1000000;; esac')
    machine.part = library.clock("m").part(SEEN, LABEL.fault_id)
    machine.arm()
    second = library.clock("m", -60).part(SEEN, SECOND.fault_id)
    done = machine.run(timer.armed(SECOND, second, systemd=False))
    assert (done.returncode, done.stderr) == (1, "its clock is set wrong already: heal it first\n")
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
    assert not (machine.root / "faults").exists()


# -- faults that outlive a reboot ------------------------------------------------------------------

LASTING_LABEL = timer.Label("0a1b2c3d", "t", "puzzle", "a puzzle is on", 60, lasting=True)


def test_what_outlives_a_reboot_is_healed_after_one_and_its_time_is_over_then(
    machine: Machine,
) -> None:
    machine.arm(LASTING_LABEL)
    assert machine.run(timer.made(LASTING_LABEL, machine.part)).returncode == 0
    about = machine.root / "faults-lasting" / "0a1b2c3d.about"
    lines = about.read_text().splitlines()
    assert 0 < int(machine.run(timer.listing("t")).stdout.split("\t")[2]) <= 60
    # A reboot: the machine runs for a shorter time than when it was armed.
    about.write_text("\n".join(["99999999999", *lines[1:]]) + "\n")
    assert machine.run(timer.listing("t")).stdout == "0a1b2c3d\tpuzzle\t0\ta puzzle is on\n"
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
    assert not machine.effect.exists()
    assert not (machine.root / "faults-lasting").exists()


@pytest.mark.parametrize("before", ['{\n  "log-level": "warn"\n}\n', "{}", None])
@pytest.mark.parametrize("repaired", [False, True])
def test_a_daemons_file_is_broken_and_comes_back_byte_for_byte(
    before: str | None, repaired: bool, machine: Machine
) -> None:
    file = machine.root / "docker" / "daemon.json"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    seen = Seen(machine="m", lab="t", address="10.0.0.2", docker=True)
    machine.part = library.broken_config("m").part(seen, LABEL.fault_id)
    machine.arm(LASTING_LABEL)
    done = machine.run(timer.made(LASTING_LABEL, machine.part))
    assert done.returncode == 0, done.stderr
    with pytest.raises(ValueError, match="property name"):
        json.loads(file.read_text())
    if repaired:  # otherwise than it was
        file.write_text('{"debug": true}')
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
    assert (file.read_text() if file.exists() else None) == before
    assert "start docker.service" in (machine.root / "systemctl").read_text()
    assert not (machine.root / "faults-lasting").exists()


# A swarm of one node and one service, in two files.
DOCKER = """
case "$*" in
  *"info "*) echo active;;
  *"node inspect"*) cat "$ROOT/node";;
  *"node update --availability"*) echo "$4" > "$ROOT/node";;
  *"service inspect"*) cat "$ROOT/service";;
  *"service update"*) echo "$*" > "$ROOT/service";;
  *) exit 1;;
esac
"""


@pytest.mark.parametrize("repaired", [False, True])
def test_a_drained_node_is_active_again_whoever_has_activated_it(
    repaired: bool, machine: Machine
) -> None:
    machine.program("docker", DOCKER)
    node = machine.root / "node"
    node.write_text("active\n")
    seen = Seen(machine="m", lab="t", address="10.0.0.1")
    machine.part = library.drain("m2", by="m", node="n2").part(seen, LABEL.fault_id)
    machine.arm(LASTING_LABEL)
    assert machine.run(machine.part.there).returncode != 0
    assert machine.run(timer.made(LASTING_LABEL, machine.part)).returncode == 0
    assert node.read_text() == "drain\n"
    assert machine.run(machine.part.there).returncode == 0
    if repaired:
        node.write_text("active\n")
    assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
    assert node.read_text() == "active\n"
    assert not (machine.root / "faults-lasting").exists()


def test_a_service_is_changed_back_unless_somebody_has_changed_it_since(machine: Machine) -> None:
    machine.program("docker", DOCKER)
    service = machine.root / "service"
    fault = library.changed_service("m", "web", ("--replicas", "0"), ("--replicas", "1"))
    seen = Seen(machine="m", lab="t", address="10.0.0.1")
    machine.part = fault.part(seen, LABEL.fault_id)
    for since, said in (("", "--replicas 1 web"), ("theirs\n", "theirs")):
        service.write_text("as it was\n")
        machine.arm()
        assert machine.run(timer.made(LABEL, machine.part)).returncode == 0
        assert service.read_text().endswith("--replicas 0 web\n")
        assert machine.run(machine.part.there).returncode == 0
        if since:
            service.write_text(since)
            assert machine.run(machine.part.there).returncode != 0
        assert machine.run(timer.healed(LABEL.fault_id)).stdout == "healed\n"
        assert service.read_text().strip().endswith(said)
        assert not (machine.root / "faults").exists()
