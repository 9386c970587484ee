"""The layer and the likeliest cause, from records alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.checks import diagnosis
from scenarios.record.model import Capture, Expectation, Layer, Packet, Ping, Record, Step
from scenarios.report.write import write_reports
from tests.unit import sample_record

ONE, TWO = "172.45.0.3", "172.45.0.6"
CONTAINERS = {"machine1": "alpine-overlay1", "machine2": "alpine-overlay2"}


def failing(*layers: Layer, reason: str = "") -> Record:
    record = sample_record.sample()
    record.verdict = "error" if reason else "failed"
    step = Step(
        number="14", title="t", why="", machines=["machine2"], state="failed", reason=reason
    )
    if reason:
        step.state = "error"
    step.expectations = [
        Expectation(what="w", expected=1, seen=2, passed=False, source="s", layer=layer)
        for layer in layers
    ]
    record.steps = [step]
    return record


def packets(number: int, word: str, source: str, destination: str) -> list[Packet]:
    return [
        Packet(
            at=0,
            outer_source="",
            outer_destination="",
            outer_port=4790,
            encapsulation="VXLAN",
            vni=4097,
            inner=f"ICMP echo {word} {source} > {destination}",
        )
    ] * number


def pinged(counts: tuple[int, int, int, int]) -> Record:
    """A ping from machine2's task to machine1's, seen so often at the four places on its way."""
    record = failing("TCP", "small packet")
    record.topology.tasks[0].address, record.topology.tasks[1].address = ONE, TWO
    step = record.steps[0]
    for machine, requests, replies in (
        ("machine2", counts[0], counts[3]),
        ("machine1", counts[1], counts[2]),
    ):
        seen = packets(requests, "request", TWO, ONE) + packets(replies, "reply", ONE, TWO)
        step.captures.append(
            Capture(machine=machine, interface="eth1", filter="", file="", total=0, packets=seen)
        )
    step.pings = [
        Ping(
            source_machine="machine2",
            source_task=sample_record.CONTAINER["alpine-overlay2"],
            target=ONE,
            address=ONE,
            kind="task-address",
            sent=3,
            received=0 if min(counts) == 3 else counts[3],
            rtts_ms=[],
        )
    ]
    return record


@pytest.mark.parametrize(
    ("counts", "cause"),
    [
        ((3, 0, 0, 0), "UDP 4790 (the swarm's data path) is dropped from machine2 to machine1"),
        ((3, 3, 0, 0), "arrives on machine1 and is not answered"),
        ((3, 3, 3, 0), "UDP 4790 (the swarm's data path) is dropped from machine1 to machine2"),
        ((0, 0, 0, 0), "nothing leaves machine2"),
        ((3, 3, 3, 3), "arrive on machine2 and do not reach the task"),
        (
            (3, 2, 2, 2),
            "packets are lost: UDP 4790 (the swarm's data path) is dropped from machine2",
        ),
    ],
)
def test_where_a_ping_was_lost_is_named(counts: tuple[int, int, int, int], cause: str) -> None:
    found = diagnosis.diagnose(pinged(counts))
    assert found
    assert found.layer == "small packet"
    assert cause in found.cause


def large(largest: int | None, mtu: int = 1500) -> Record:
    record = failing("large packet", "TCP", "virtual address")
    for host in record.topology.hosts:
        host.mtu = 1500
    record.topology.hosts[1].mtu = mtu
    record.steps[0].pings = [
        Ping(
            source_machine="machine2",
            source_task="t",
            target=ONE,
            address=ONE,
            kind="full-size",
            sent=3,
            received=0,
            rtts_ms=[],
            size=1450,
            largest=largest,
        )
    ]
    return record


def test_an_underlay_with_a_small_mtu_is_named_with_its_number() -> None:
    found = diagnosis.diagnose(large(1350, mtu=1400))
    assert found
    assert found.layer == "large packet"
    assert "machine2 has 1400; packets of 1450 bytes need 1500" in found.cause
    assert "driver.mtu=1400" in found.advice


def test_packets_of_no_size_at_all_are_no_matter_of_the_mtu() -> None:
    found = diagnosis.diagnose(large(0))
    assert found is not None
    assert "none of any size was answered" in found.cause
    assert "mtu" not in found.advice


def test_a_black_hole_is_named_with_the_largest_packet_that_crosses() -> None:
    found = diagnosis.diagnose(large(1350))
    assert found
    assert "between the machines, packets larger than 1400 bytes are dropped" in found.cause
    assert "driver.mtu=1400" in found.advice


def test_tcp_alone_points_to_checksum_offload() -> None:
    record = pinged((3, 3, 3, 3))
    record.steps[0].expectations = failing("TCP").steps[0].expectations
    found = diagnosis.diagnose(record)
    assert found
    assert found.layer == "TCP"
    assert "on machine2: sudo ethtool -K eth1 tx off" in found.advice


@pytest.mark.parametrize(
    ("reason", "layer", "cause"),
    [
        (
            "task x (rejected): No such image: a:1",
            "task start",
            "does not have the service's image",
        ),
        (
            "error creating vxlan interface: address already in use",
            "task start",
            "port is taken: something else on that host uses UDP 4789",
        ),
        ("no suitable node (1 node not available)", "task start", "no node may take the task"),
        ("SSHException: SSH session not active", "engine", "stopped answering"),
        ("KeyError: 'Swarm'", "", "step 14 ended with an error: KeyError: 'Swarm'"),
    ],
)
def test_errors_are_named_by_what_they_mean(reason: str, layer: str, cause: str) -> None:
    found = diagnosis.diagnose(failing(reason=reason))
    assert found
    assert found.layer == layer
    assert cause in found.cause


@pytest.mark.parametrize("layer", diagnosis.ORDER)
def test_every_layer_has_a_cause(layer: Layer) -> None:
    if layer == "engine":
        return
    found = diagnosis.diagnose(failing(layer))
    assert found
    assert (found.layer, bool(found.cause)) == (layer, True)


def test_the_lowest_layer_is_at_fault() -> None:
    found = diagnosis.diagnose(failing("virtual address", "TCP", "placement", "small packet"))
    assert found
    assert found.layer == "placement"


def test_a_layer_that_failed_says_more_than_an_error_of_unknown_words() -> None:
    record = failing("placement", reason="no container of alpine-overlay2 runs on machine2")
    found = diagnosis.diagnose(record)
    assert found
    assert found.layer == "placement"


def test_a_run_that_passed_has_none() -> None:
    assert diagnosis.diagnose(sample_record.sample()) is None


def test_every_report_shows_it(tmp_path: Path) -> None:
    record = large(1350, mtu=1400)
    record.diagnosis = diagnosis.diagnose(record)
    write_reports(record, tmp_path)
    assert record.diagnosis
    words = "machine2 has 1400"
    assert words in diagnosis.as_text(record.diagnosis)
    assert words in json.loads((tmp_path / "report.json").read_text())["diagnosis"]["cause"]
    assert words in (tmp_path / "report.md").read_text()
    assert words in (tmp_path / "report.html").read_text()
    assert words in (tmp_path / "junit.xml").read_text()
