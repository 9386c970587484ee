"""What iperf3 and /proc/stat say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.support.errors import MachineError
from scenarios.measure import traffic

# iperf3 3.18, one second over the loopback interface.
REPORT = (Path(__file__).parent / "iperf3.json").read_text(encoding="utf-8")
BEFORE = "cpu  100 10 200 9000 50 5 40 3 0 0"
AFTER = "cpu  160 10 290 9700 90 6 99 3 0 0"


def test_a_flow_is_what_arrived_between_two_looks_at_the_cpus() -> None:
    output = f"{BEFORE}\n{REPORT}\n{AFTER}\n"
    flow = traffic.read(output, "a to b")
    assert flow == traffic.Flow(
        seconds=1.007237,
        bits=8 * 845807616,
        bits_per_second=6717843891.755367,
        retransmits=2,
        segment=32768,
        loaded_rtt_ms=0.482,
    )
    # user 60, system 90, irq 1, softirq 59 ticks; idle and iowait are not busy.
    assert traffic.busy_seconds(output) == pytest.approx(2.1)


def test_iperf3s_own_error_is_the_error() -> None:
    said = json.dumps({"start": {}, "end": {}, "error": "unable to connect: Connection refused"})
    with pytest.raises(MachineError, match="a to b: unable to connect: Connection refused"):
        traffic.read(f"{BEFORE}\n{said}\n{AFTER}", "a to b")


@pytest.mark.parametrize(
    ("output", "errors", "said"),
    [
        (f"{BEFORE}\n{AFTER}\n", "", "it said nothing"),
        (
            BEFORE,
            "nsenter: cannot open /proc/7/ns/net: No such file\n",
            "said nsenter: cannot open",
        ),
        ('{"start": {}, "end": {}}', "", "its report lacks 'sum_received'"),
    ],
)
def test_what_is_no_report_is_shown(output: str, errors: str, said: str) -> None:
    with pytest.raises(MachineError, match=said):
        traffic.read(output, "a to b", errors)


def test_a_flow_of_which_nothing_arrived_is_an_error_and_no_ratio() -> None:
    report = json.loads(REPORT)
    report["end"]["sum_received"]["bytes"] = 0
    with pytest.raises(MachineError, match="a to b: nothing arrived"):
        traffic.read(json.dumps(report), "a to b")
