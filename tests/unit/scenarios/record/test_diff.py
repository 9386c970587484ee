"""Two runs of the same are equal once chance is left out; anything else that differs is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from scenarios.record.diff import comparable, difference
from scenarios.record.model import Command, Fault, Record
from scenarios.record.normalize import Normalizer
from tests.unit import sample_record as sample

# What another run of the same has in place of what the first one had by chance.
OTHER = {
    sample.NETWORK_ID: "m9z8y7x6w5v4u3t2s1r0q9p8o",
    sample.NETWORK_ID[::-1]: "o8p9q0r1s2t3u4v5w6x7y8z9m",
    sample.NODE1: "rzljgjhnupuuptexutnuyjcib",
    sample.NODE2: "n3o4p5q6r7s8t9u0v1w2x3y4z",
    "j5m0c2v8x7n1q4w6e9r3t5y7u": "q1w2e3r4t5y6u7i8o9p0a1s2d",
    "b8d3f6h1k4l7p0s2a5z9x3c6v": "d1f2g3h4j5k6l7z8x9c0v1b2n",
    "a41f0d7c9be2": "0123456789ab",
    "172.45.0.3": "172.45.0.9",
    "172.45.0.6": "172.45.0.14",
    "172.45.0.2": "172.45.0.8",
    "4097": "4101",
    "31.6": "2.25",
    "9 seconds ago": "About a minute ago",
    "Up 7 seconds": "Up 55 seconds",
    "2026-11-24T13:05": "2027-01-02T03:04",
}


def again(record: Record) -> Record:
    """Another run of the same, as chance would have it."""
    text = record.model_dump_json()
    for one, other in OTHER.items():
        assert one in text, one
        text = text.replace(one, other)
    return Record.model_validate_json(text)


@pytest.fixture
def first() -> Record:
    return sample.sample()


def test_two_runs_of_the_same_are_equal(first: Record) -> None:
    assert first != again(first)
    assert difference(first, again(first)) == ""


def _step(record: Record, number: str) -> int:
    return next(i for i, step in enumerate(record.steps) if step.number == number)


def _verdict(r: Record) -> None:
    r.verdict = "failed"


def _engine(r: Record) -> None:
    r.topology.hosts[1].engine = "28.2.2"


def _address_of_a_host(r: Record) -> None:
    r.topology.hosts[1].address = "192.168.56.99"


def _subnet(r: Record) -> None:
    r.topology.networks[0].subnet = "172.46.0.0/16"


def _outside(r: Record) -> None:
    r.topology.tasks[0].address = "10.9.8.7/16"


def _placement(r: Record) -> None:
    r.topology.tasks[1].machine = "machine1"


def _lost_reply(r: Record) -> None:
    r.steps[_step(r, "14")].pings[0].received = 2


def _exit_code(r: Record) -> None:
    r.steps[0].commands[0].exit_code = 1


def _output(r: Record) -> None:
    command = next(c for s in r.steps for c in s.commands if "HOSTNAME" in c.stdout)
    command.stdout = command.stdout.replace("Ready ", "Down  ", 1)


def _one_row_less(r: Record) -> None:
    command = next(c for s in r.steps for c in s.commands if "NETWORK ID" in c.stdout)
    command.stdout = re.sub(r".*ingress.*\n", "", command.stdout)


def _what_was_seen(r: Record) -> None:
    r.steps[0].expectations[0].seen = "something else"


def _another_id(r: Record) -> None:
    for step in r.steps:
        for expectation in step.expectations:
            if expectation.seen == expectation.expected == OTHER[sample.NETWORK_ID]:
                expectation.seen = sample.NODE1
                return
    raise AssertionError("no expectation on the network's id")


def _another_network_on_the_wire(r: Record) -> None:
    for packet in next(s.captures for s in r.steps if s.captures)[0].packets:
        packet.vni = 4096


def _nothing_on_the_wire(r: Record) -> None:
    next(s.captures for s in r.steps if s.captures)[0].packets = []


def _skipped(r: Record) -> None:
    r.steps[3].state = "skipped"


@pytest.mark.parametrize(
    "change",
    [
        _verdict,
        _engine,
        _address_of_a_host,
        _subnet,
        _outside,
        _placement,
        _lost_reply,
        _exit_code,
        _output,
        _one_row_less,
        _what_was_seen,
        _another_id,
        _another_network_on_the_wire,
        _nothing_on_the_wire,
        _skipped,
    ],
)
def test_what_is_no_chance_is_told(first: Record, change: Callable[[Record], None]) -> None:
    second = again(first)
    change(second)
    told = difference(first, second, ("monday", "tuesday"))
    assert told.startswith("--- monday\n+++ tuesday\n")
    assert any(
        line.startswith(("+step", "+host", "+network", "+task", "+scenario", "-step"))
        for line in told.splitlines()
    )


def test_a_difference_names_its_step(first: Record) -> None:
    second = again(first)
    _lost_reply(second)
    (line,) = [line for line in difference(first, second).splitlines() if line[:2] == "+s"]
    assert line.startswith("+step 14: ping (name) ")
    assert line.endswith(": 2 of 3 answered")


# -- outputs of commands ----------------------------------------------------------------------

INSPECTED = [
    {
        "Id": "f" * 64,
        "Created": "2026-11-24T14:49:23.123456789Z",
        "State": {"Status": "running", "Pid": 2345, "ExitCode": 0},
        "Image": "sha256:" + "a" * 64,
        "LogPath": f"/var/lib/docker/containers/{'f' * 64}/{'f' * 64}-json.log",
        "GraphDriver": {"Data": {"LowerDir": "/var/lib/docker/overlay2/l/ABC"}},
        "Config": {"Hostname": "ffffffffffff", "Labels": {}},
        "NetworkSettings": {
            "Networks": {
                "overlaynet1": {
                    "IPAddress": "172.45.0.3",
                    "MacAddress": "02:42:ac:2d:00:03",
                    "IPPrefixLen": 16,
                }
            }
        },
    }
]


def lines(record: Record, text: str) -> list[str]:
    return Normalizer(record).output(text)


def test_an_inspected_container_is_compared_value_by_value(first: Record) -> None:
    text = json.dumps(INSPECTED)
    other = (
        text.replace("f" * 64, "e" * 64)
        .replace("f" * 12, "e" * 12)
        .replace("2345", "2346")
        .replace("2026-11", "2027-01")
        .replace("172.45.0.3", "172.45.0.4")
        .replace("00:03", "00:04")
        .replace("ABC", "DEF")
    )
    assert text != other
    assert lines(first, text) == lines(first, other)
    for one, else_ in (
        ('"ExitCode": 0', '"ExitCode": 1'),
        ("running", "exited"),
        ("a" * 64, "b" * 64),
        ("172.45.0.3", "172.46.0.3"),
        ('"IPPrefixLen": 16', '"IPPrefixLen": 24'),
    ):
        assert one in text
        assert lines(first, text) != lines(first, text.replace(one, else_)), one


def test_rows_come_in_the_order_of_their_ids_which_is_none(first: Record) -> None:
    head, one, other = next(
        c.stdout for s in first.steps for c in s.commands if "HOSTNAME" in c.stdout
    ).splitlines()
    assert lines(first, f"{head}\n{one}\n{other}\n") == lines(first, f"{head}\n{other}\n{one}\n")
    assert "<id> *" in "\n".join(lines(first, f"{head}\n{one}\n"))


def test_states_on_the_way_are_chance_and_the_end_is_not(first: Record) -> None:
    slow = "x\noverall progress: 0 out of 1 tasks\n1/1: preparing\nverify: Waiting 1 seconds\n"
    end = "overall progress: 1 out of 1 tasks\n1/1: running\nverify: Service a converged\n"
    assert lines(first, slow + end) == lines(first, f"x\n{end}")
    assert lines(first, slow + end) != lines(first, slow)


@pytest.mark.parametrize(
    "text",
    [
        "host 192.168.56.11 answers",
        "subnet 172.45.0.0/16",
        "listening on 0.0.0.0 and 127.0.0.11",
        "version 20.10.24",
        "sha256:" + "c" * 64,
        "docker_gwbridge alpine-overlay1 overlaynet1",
        "3 packets transmitted, 3 packets received, 0% packet loss",
        "VNI 4242",
    ],
)
def test_what_the_lab_decides_stays(first: Record, text: str) -> None:
    assert Normalizer(first).text(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("172.45.0.77/16", "<address of 172.45.0.0/16>"),
        ("172.18.0.3", "<address>"),
        ("seq=0 ttl=64 time=31.600 ms", "seq=0 ttl=64 time=<ms>"),
        ("round-trip min/avg/max = 0.08/0.1/0.14 ms", "round-trip min/avg/max = <ms>"),
        ("02:42:ac:2d:00:03", "<mac>"),
        ("fe80::42:acff:fe2d:3/64", "<address>"),
        ("Up Less than a second", "Up <age>"),
        ("VXLAN with VNI 4097", "VXLAN with VNI <of overlaynet1>"),
        ("5 of 12 captured packets", "some captured packets"),
        ("0 of 12 captured packets", "0 of 12 captured packets"),
        ("21 of 200 lost", "some lost"),
        ("0 of 20 lost", "0 of 20 lost"),
        ("10 to 20 s", "<seconds>"),
        ("more than 1800 s", "<seconds>"),
        ("at 2026-11-24 14:49:23.1 +0000 UTC.", "at <time>."),
    ],
)
def test_what_chance_decides_becomes_a_word(first: Record, text: str, told: str) -> None:
    assert Normalizer(first).text(text) == told


def test_each_step_and_each_command_is_compared(first: Record) -> None:
    text = "\n".join(comparable(first))
    for step in first.steps:
        assert f"step {step.number}: {step.title} " in text
    assert text.count("  (exit code ") == sum(len(step.commands) for step in first.steps)
    first.steps[0].commands.append(
        Command(
            machine="machine1",
            command="true",
            stdout="",
            stderr="words",
            exit_code=0,
            started="",
            seconds=0,
        )
    )
    assert "machine1! words" in "\n".join(comparable(first))


def test_runs_with_other_faults_differ_and_when_they_were_made_does_not_count() -> None:
    def run(begin: str, what: str = "a is frozen") -> Record:
        record = sample.sample().model_copy(deep=True)
        record.faults = [
            Fault(kind="f", what=what, machines=["a"], step="3", begin=begin, end="", healed="step")
        ]
        return record

    first = run("2026-11-28T12:00:00+00:00")
    assert difference(first, run("2026-11-29T12:00:00+00:00")) == ""
    assert "+fault in step 3, on a: b is frozen" in difference(first, run("", "b is frozen"))
