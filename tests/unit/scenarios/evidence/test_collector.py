"""What looks for a time line ends surely, whatever the machines do, and raises nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from provision.support.errors import MachineError
from scenarios.evidence.collector import Collector
from scenarios.evidence.lanes import Lanes
from scenarios.evidence.looks import Swarm
from scenarios.evidence.pinging import Ping, Pinger

NAME = "a machine of this test"


class Unreachable:
    """A machine that refuses SSH, or that lets who connects wait until it is let go of."""

    name = NAME
    address = "10.0.0.9/24"
    is_root = True

    def __init__(self, hangs: bool) -> None:
        self.hangs = hangs
        self.gone = threading.Event()

    def apart(self) -> Unreachable:
        return self

    def connect(self, patience: float) -> None:
        if self.hangs:
            self.gone.wait(600)
        raise MachineError(f"{self.name}: no SSH: refused")

    def abandon(self) -> None:
        self.gone.set()


class Channel:
    """The loop's end of a ping: `answers` maps what is sent to what comes back."""

    def __init__(self, answers: Callable[[bytes], bytes]) -> None:
        self.answers = answers
        self.out = b""
        self.closed = False
        self.transport = self

    def open_session(self, timeout: float) -> Channel:
        return self

    def settimeout(self, seconds: float) -> None:
        pass

    def exec_command(self, command: str) -> None:
        self.command = command

    def sendall(self, data: bytes) -> None:
        self.out += self.answers(data)

    def recv(self, size: int) -> bytes:
        some, self.out = self.out[:3], self.out[3:]
        return some

    def recv_stderr(self, size: int) -> bytes:
        return b"sh: ping: not found\n"

    def close(self) -> None:
        self.closed = True


def alive() -> list[str]:
    return [one.name for one in threading.enumerate() if NAME in one.name]


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_a_machine_that_cannot_be_reached_does_not_answer_and_stops_nobody(
    error: type[BaseException] | None,
) -> None:
    lanes = Lanes("1", 0.01, 5)
    machine: Any = Unreachable(hangs=False)
    collector = Collector(
        [machine],
        lanes,
        5,
        0.01,
        lambda stop: Swarm(lanes, stop, lambda _, host: host),
        [Ping("a to b", machine, "10.0.0.1")],
    )
    try:
        with collector:
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt) as raised:
        assert type(raised) is error  # noqa: PT017 - what comes out is what was raised in the block
    (lane,) = lanes.line().lanes
    assert (lane.kind, lane.spans[0].state) == ("engine", "does not answer")
    assert lane.spans[0].detail == f"{NAME}: no SSH: refused"
    assert lanes.line().notes == [f"ping a to b: {NAME}: no SSH: refused"]
    assert alive() == []


def test_who_hangs_in_a_connection_is_let_go_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.evidence.collector._FIRST", 0.05)
    lanes = Lanes("1", 0.01, 5)
    machine: Any = Unreachable(hangs=True)
    with Collector([machine], lanes, 5, 0.01, lambda stop: Swarm(lanes, stop, lambda _, h: h)):
        assert len(alive()) == 2
    assert alive() == []
    # What was on its way when it ended has seen nothing.
    assert lanes.line().lanes == []
    assert lanes.line().notes == [f"{NAME}: the first look took more than 0.05 s"]


def pinger(channel: Channel, lanes: Lanes) -> Pinger:
    machine: Any = Unreachable(hangs=False)
    machine.connect = lambda **_: None
    machine.as_root = lambda command: command
    machine.transport = channel
    return Pinger(Ping("a to b", machine, "10.0.0.1"), 5, lanes, 0.01, threading.Event())


def test_each_packet_is_a_look_of_its_own_and_has_its_number() -> None:
    lanes = Lanes("1", 0.01, 5)
    words = {b"1\n": b"1 answered\n", b"2\n": b"2 lost\n", b"3\n": b"2 lost\n3 answered\n"}
    one = pinger(Channel(lambda sent: words[sent]), lanes)
    for _ in range(3):
        one.look()
    (lane,) = lanes.line().lanes
    assert [(span.state, span.detail) for span in lane.spans] == [
        ("answered", "packet 1"),
        ("lost", "packet 2"),
        ("answered", "packet 3"),
    ]
    assert (lane.machine, lane.about) == (NAME, "10.0.0.1")


def test_a_loop_that_has_ended_lost_no_packet_and_is_begun_again() -> None:
    lanes = Lanes("1", 0.01, 5)
    channel = Channel(lambda _: b"")
    one = pinger(channel, lanes)
    with pytest.raises(MachineError, match="the ping ended: sh: ping: not found"):
        one.look()
    assert channel.closed
    assert lanes.line().lanes == []
    channel.answers = lambda sent: sent.strip() + b" answered\n"
    one.look()
    assert lanes.line().lanes[0].spans[0].detail == "packet 2"
