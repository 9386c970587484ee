"""Drivers are measured between two hosts: what comes out is true, and nothing is left."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.changes import journal
from provision.changes.change import Change
from provision.faults import library
from provision.faults.making import Faults
from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import destroy, running, up
from provision.support.errors import MachineError
from provision.swarm import labelled
from scenarios.kit.driver import Driver
from scenarios.kit.setup import Setup
from scenarios.measure.run import Wanted, measure
from scenarios.record import measured as model
from scenarios.record.measured import Measurement
from tests.hosts import root as roots
from tests.hosts.conftest import CLONE
from tests.hosts.light_hosts import Host, wait_for
from tests.support.progress import quiet
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import DRIVER

ROUNDS = 8
# Writes what the unit tier judges: SWARMRIG_RECORD=1 pytest tests/hosts/test_measure.py -k record
RECORD = "SWARMRIG_RECORD"
RECORDED = CLONE / "tests" / "unit" / "scenarios" / "measure" / "recorded.json"

Measure = Callable[..., Measurement]


def measured(
    lab: Lab,
    folder: Path,
    *drivers: str,
    rounds: int = ROUNDS,
    plugins: dict[str, Driver] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Measurement:
    with running.machines_of(lab) as machines:
        setup = Setup(lab, machines, roots.TAG, "hosts", folder, tell)
        return measure(Wanted(drivers, rounds, 1), setup, plugins or {})


def left(hosts: list[Host]) -> list[str]:
    """What a measurement could leave: containers, networks, processes, listeners."""
    look = (
        "docker ps -aq --filter label=swarmrig.measure; "
        "docker network ls -q --filter label=swarmrig.measure; pgrep -x iperf3; "
        "ss -Hltn 'sport >= 20000'; docker plugin ls -q"
    )
    said = [host.exec("sh", "-c", look, check=False).stdout for host in hosts]
    return "\n".join(said).split()


def test_drivers_are_measured_in_turns_and_nothing_is_left(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    heard: set[str] = set()

    def listeners(line: str) -> None:
        for host in two_hosts if line.startswith("round") else ():
            said = host.exec("ss", "-Hltn").stdout.splitlines()
            heard.update(line.split()[3] for line in said)

    record = measured(lab, tmp_path, "overlay", "bridge", "host", tell=listeners)
    assert record.verdict == "measured", record.reason
    assert record.results is not None
    seen = [(sample.round, sample.driver) for sample in record.samples]
    assert seen == [(n, name) for n, names in enumerate(record.order, 1) for name in names]
    assert {frozenset(names) for names in record.order} == {
        frozenset({"overlay", "bridge", "host"})
    }
    # The headers of VXLAN take 50 bytes of each packet.
    assert {(s.driver, s.segment) for s in record.samples} == {
        ("overlay", 1398),
        ("bridge", 1448),
        ("host", 1448),
    }
    assert all(len(sample.rtts_ms) == sample.pings > 0 for sample in record.samples)
    assert all(sum(sample.cpu_seconds.values()) > 0 for sample in record.samples)
    # A published port, and none of it on all addresses.
    assert any(at.startswith(f"{two_hosts[1].address}:327") for at in heard), heard
    assert not [at for at in heard if at.startswith("0.0.0.0:327")]
    assert left(two_hosts) == []
    assert not any(entry.kind == "measure" for entry in journal.of_lab(lab).of("machine1"))
    assert model.Measurement.model_validate_json((tmp_path / model.FILE).read_text()) == record


@pytest.mark.parametrize("driver", ["host", "overlay"])
def test_a_rate_that_is_known_is_measured_within_five_in_a_hundred(
    driver: str, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    """HTB counts whole frames of the underlay; iperf3 counts the data in them."""
    kbit = 50_000
    with running.machines_of(lab) as machines:
        faults = Faults(lab, machines, journal.of_lab(lab))
        with faults.during(library.rate("machine1", "machine2", kbit=kbit), 600):
            record = measured(lab, tmp_path, driver)
    assert record.results is not None, record.reason
    (seen,) = record.results.drivers
    data, frame = record.samples[0].segment, 1514
    assert seen.bits_per_second.median == pytest.approx(kbit * 1000 * data / frame, rel=0.05)
    assert seen.bits_per_second.low <= seen.bits_per_second.median <= seen.bits_per_second.high


def test_a_plugins_driver_is_measured_as_well_and_removed(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    plugin = PluginSpec(
        package.NAME,
        package.archive(),
        settings=package.settings(host.address for host in two_hosts),
    )
    over = dataclasses.replace(lab, weave=plugin)
    record = measured(over, tmp_path, "weave", plugins={"weave": DRIVER})
    assert record.verdict == "measured", record.reason
    assert record.ways[0].driver == package.NAME
    assert left(two_hosts) == []


def inv(lab: Lab, *words: str) -> subprocess.Popen[str]:
    """The command, with only the test's own settings."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *words, "--lab", str(lab.file)],
        cwd=CLONE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(start):
            return
    raise AssertionError("".join(said))


@pytest.mark.parametrize("at", ["overlay: ", "round 2 "])
def test_killed_it_leaves_nothing(at: str, lab: Lab, two_hosts: list[Host]) -> None:
    """The machines remove what was made for it, and the server ends, without being told to."""
    process = inv(lab, "measure", "overlay", "bridge", "host", "--seconds", "20")
    wait_for_line(process, at)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for("nothing of it on the hosts", lambda: not left(two_hosts), 120)
    # What the journal still has finds nothing, and is no hindrance.
    removed = destroy.destroy(lab, quiet())
    assert not [what for what in removed if "measure" in what]
    up.up(lab, quiet())


def test_what_hosts_without_power_have_kept_goes_with_the_lab(
    lab: Lab, two_hosts: list[Host]
) -> None:
    """The containers of others, and networks with such names, stay."""
    mine, theirs = "a" * 32, "b" * 32
    for value in (mine, theirs):
        label = f"{labelled.LABEL}={value}"
        two_hosts[1].exec("docker", "network", "create", "--label", label, f"measure-{value[:8]}")
        network = f"measure-{value[:8]}"
        two_hosts[1].exec("docker", "run", "-dt", "--network", network, "--label", label, roots.TAG)
    change = Change("machine2", "measure", "measure network drivers", (mine,))
    journal.of_lab(lab).begin(change)
    removed = destroy.destroy(lab, quiet())
    assert "network measure-aaaaaaaa on machine2" in removed
    names = two_hosts[1].exec("docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert ("measure-aaaaaaaa" in names, "measure-bbbbbbbb" in names) == (False, True)
    labels = two_hosts[1].exec("docker", "ps", "-q", "--filter", f"label={labelled.LABEL}")
    assert len(labels.stdout.split()) == 1
    two_hosts[1].exec("sh", "-c", f"docker rm -f {labels.stdout.strip()}")
    two_hosts[1].exec("docker", "network", "rm", "measure-bbbbbbbb")
    up.up(lab, quiet())


def test_a_host_without_iperf3_is_named_with_the_package_and_not_changed(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    two_hosts[1].exec("mv", "/usr/bin/iperf3", "/usr/bin/iperf3.away")
    try:
        with pytest.raises(MachineError, match="Not installed: iperf3 on machine2") as caught:
            measured(lab, tmp_path, "host")
    finally:
        two_hosts[1].exec("mv", "/usr/bin/iperf3.away", "/usr/bin/iperf3")
    assert caught.value.advice == "Install there (apt-get install, dnf install): iperf3"
    assert left(two_hosts) == []
    assert not (tmp_path / model.FILE).exists()


@pytest.mark.skipif(RECORD not in os.environ, reason=f"{RECORD} is not set")
def test_record_two_drivers_that_are_one_and_a_third(lab: Lab, tmp_path: Path) -> None:
    record = measured(lab, tmp_path, "host", "host", "overlay", rounds=60)
    assert record.verdict == "measured", record.reason
    for sample in record.samples:
        # The statistics use their median: a few keep the file small.
        sample.rtts_ms = sample.rtts_ms[:5]
        sample.pings = 5
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(record.model_dump_json(exclude={"results"}) + "\n")
