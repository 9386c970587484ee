"""Healing is armed first, and heals once: by a timer, by hand, or where making came too late."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.faults import library, timer
from provision.faults.fault import FOLDER, Part, Seen

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
            ["sh", "-c", text.replace(FOLDER, str(self.root / "faults"))],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "ROOT": str(self.root),
            },
        )

    def arm(self, label: timer.Label = LABEL, systemd: bool = False) -> None:
        done = self.run(timer.armed(label, self.part, systemd))
        assert done.returncode == 0, done.stderr

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
