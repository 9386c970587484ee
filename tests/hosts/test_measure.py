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
from provision.lifecycle import destroy, running
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
    """What a measurement could leave: containers, networks, processes, listeners, a plugin."""
    look = (
        "docker ps -aq --filter label=swarmrig.measure; "
        "docker network ls -q --filter label=swarmrig.measure; pgrep -x iperf3; "
        "ss -Hltnp | grep -e iperf3 -e docker-proxy; docker plugin ls -q"
    )
    said = [host.exec("sh", "-c", look, check=False).stdout for host in hosts]
    return "\n".join(said).split()


def test_a_rate_that_is_known_is_measured_within_five_in_a_hundred(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    """HTB counts whole frames of the underlay; iperf3 counts the data in them."""
    kbit, frame = 50_000, 1514
    with running.machines_of(lab) as machines:
        faults = Faults(lab, machines, journal.of_lab(lab))
        with faults.during(library.rate("machine1", "machine2", kbit=kbit), 900):
            record = measured(lab, tmp_path, "host", "overlay")
    assert record.results is not None, record.reason
    # The headers of VXLAN take 50 bytes of each packet.
    segments = {"host": 1448, "overlay": 1398}
    assert {(s.driver, s.segment) for s in record.samples} == set(segments.items())
    for seen in record.results.drivers:
        truth = kbit * 1000 * segments[seen.driver] / frame
        assert seen.bits_per_second.median == pytest.approx(truth, rel=0.05)
    # Each in its turn, with pings and CPU time, and all of it in the record.
    turns = [(n, name) for n, names in enumerate(record.order, 1) for name in names]
    assert [(sample.round, sample.driver) for sample in record.samples] == turns
    assert {tuple(sorted(names)) for names in record.order} == {("host", "overlay")}
    assert all(len(sample.rtts_ms) == sample.pings > 0 for sample in record.samples)
    assert all(sum(sample.cpu_seconds.values()) > 0 for sample in record.samples)
    assert any("sends no more than 50000 kbit/s" in note for note in record.notes)
    assert model.Measurement.model_validate_json((tmp_path / model.FILE).read_text()) == record
    assert left(two_hosts) == []
    assert not [e for e in journal.of_lab(lab).of("machine1") if e.kind == "measure"]


def test_a_published_port_is_one_of_the_underlay_alone(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    heard: set[str] = set()

    def listeners(line: str) -> None:
        for host in two_hosts if line.startswith("round") else ():
            said = host.exec("sh", "-c", "ss -Hltnp | grep docker-proxy", check=False).stdout
            heard.update(line.split()[3].rpartition(":")[0] for line in said.splitlines())

    record = measured(lab, tmp_path, "bridge", tell=listeners)
    assert record.verdict == "measured", record.reason
    assert heard == {two_hosts[1].address}
    assert left(two_hosts) == []


@pytest.mark.skipif(
    os.environ.get("SWARMRIG_FAULTS") != "all",
    reason="more than a minute: SWARMRIG_FAULTS=all runs it",
)
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


def test_killed_it_leaves_nothing_and_what_a_power_cut_leaves_goes_with_the_lab(
    lab: Lab, two_hosts: list[Host]
) -> None:
    """The machines remove what was made for it, and the server ends, without being told to."""
    for at in ("overlay: ", "round 1 "):
        process = inv(lab, "measure", "overlay", "bridge", "host", "--seconds", "20")
        wait_for_line(process, at)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        wait_for("nothing of it on the hosts", lambda: not left(two_hosts), 240)

    mine, theirs = "a" * 32, "b" * 32
    for value in (mine, theirs):
        label, network = f"{labelled.LABEL}={value}", f"measure-{value[:8]}"
        two_hosts[1].exec("docker", "network", "create", "--label", label, network)
        more = ("--network", network, "--label", label, "--name", f"{network}-1")
        two_hosts[1].exec("docker", "run", "-dt", *more, roots.TAG)
    change = Change("machine2", "measure", "measure network drivers", (mine,))
    journal.of_lab(lab).begin(change)
    removed = [what for what in destroy.destroy(lab, quiet()) if "measure" in what]
    # What is still written down of those that were killed finds nothing.
    assert sorted(removed) == [
        "container measure-aaaaaaaa-1 on machine2",
        "network measure-aaaaaaaa on machine2",
    ]
    names = two_hosts[1].exec("docker", "ps", "--format", "{{.Names}} {{.Networks}}").stdout
    assert names.split() == ["measure-bbbbbbbb-1", "measure-bbbbbbbb"]
    two_hosts[1].exec("docker", "rm", "-f", "measure-bbbbbbbb-1")
    two_hosts[1].exec("docker", "network", "rm", "measure-bbbbbbbb")


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
