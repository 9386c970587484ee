"""Who has answered, who has asked, and what a name resolves to: read from what busybox prints."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scenarios.checks import answering, containers, underlay
from scenarios.checks.path import End
from scenarios.kit.step import StepFailed

MACHINE: Any = SimpleNamespace(name="machine1", address="10.77.0.1")
CLIENT = End("client1", "10.46.3.2", MACHINE)

IPV4 = """\
3f2a1b0c9d8e
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1E14 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 05032E0A:1E14 02002E0A:A4C2 01 00000000:00000000 00:00000000 00000000     0
   2: 05032E0A:0050 09002E0A:A4C2 01 00000000:00000000 00:00000000 00000000     0
"""
IPV6 = """\
3f2a1b0c9d8e
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1E14 00000000000000000000000000000000:0000 0A
   1: 0000000000000000FFFF000002003CAC:1E14 0000000000000000FFFF00000900000A:A4C2 06
   2: 0000000000000000FFFF000002003CAC:1E14 0000000000000000FFFF00000B3BA8C0:A4C2 08
"""


@pytest.mark.parametrize(
    ("answer", "client"),
    [(IPV4, "10.46.0.2"), (IPV6, "192.168.59.11"), ("3f2a1b0c9d8e\n", ""), ("no answer", "")],
)
def test_the_client_is_the_other_end_of_the_tasks_own_connection(answer: str, client: str) -> None:
    assert answering.client_of(answer) == client


def asking(printed: str, error: str = "") -> Any:
    """A step whose command prints this."""
    result = SimpleNamespace(stdout=printed, last_words=error)
    return SimpleNamespace(run=lambda *_, **__: result)


def test_each_connection_has_its_answer_or_none() -> None:
    said = "@\n3f2a1b0c9d8e\n@\nno answer\n@\n3f2a1b0c9d8e\nmore\n@\n"
    assert answering.ask(asking(said), CLIENT, "web", times=4) == [
        *("3f2a1b0c9d8e", "no answer"),
        *("3f2a1b0c9d8e\nmore", "no answer"),
    ]


@pytest.mark.parametrize("printed", ["", "@\nno answer\n"])
def test_a_connection_that_was_not_tried_is_no_missing_answer(printed: str) -> None:
    step = asking(printed, "No such container: client1")
    with pytest.raises(StepFailed, match=r"^machine1: client1 tried . of 2 connections to web: No"):
        answering.ask(step, CLIENT, "web", times=2)


DEBIAN = """\
Server:\t\t127.0.0.11
Address:\t127.0.0.11:53

Non-authoritative answer:
Name:\tsix2
Address: fd00:46:47::3

Non-authoritative answer:
Name:\tsix2
Address: 172.30.47.3
"""
OLDER = """\
Server:    127.0.0.11
Address 1: 127.0.0.11

Name:      web
Address 1: 10.46.3.5 web.1.qwe.net1
Address 2: 10.46.3.4 web.2.rty.net1
"""
UNKNOWN = "Server:\t\t127.0.0.11\nAddress:\t127.0.0.11:53\n\n** server can't find web: NXDOMAIN\n"


@pytest.mark.parametrize(
    ("printed", "addresses"),
    [
        (DEBIAN, ["172.30.47.3", "fd00:46:47::3"]),
        (OLDER, ["10.46.3.4", "10.46.3.5"]),
        (UNKNOWN, []),
        ("", []),
    ],
)
def test_a_name_resolves_to_the_addresses_after_it(printed: str, addresses: list[str]) -> None:
    assert containers.resolved(printed) == addresses


# -- addresses of the underlay --------------------------------------------------------------------


class Underlay:
    """A machine on 10.77.0.0/24 whose neighbours are known; its shell is this host's, with fakes
    of ping and ip."""

    name, address = "machine1", "10.77.0.1"

    def __init__(self, *neighbours: str) -> None:
        self.neighbours = neighbours

    def run_checked(self, command: str, *_: Any, **__: Any) -> str:
        if command.startswith("ip -o"):
            return "2: eth0    inet 10.77.0.1/24 brd 10.77.0.255 scope global eth0"
        # Nobody answers a ping; who is there is seen by ARP.
        there = "|".join(self.neighbours) or "nobody"
        fakes = (
            "ping() { return 1; }\n"
            f"ip() {{ case $3 in {there}) echo lladdr;; *) echo FAILED;; esac; }}\n"
        )
        done = subprocess.run(
            ["/bin/sh", "-c", fakes + command], capture_output=True, text=True, check=True
        )
        return done.stdout


def look(machine: Any, **names: str) -> tuple[dict[str, str], list[Any]]:
    known, seen = dict(names), []
    step: Any = SimpleNamespace(
        machine=machine,
        context=SimpleNamespace(machines={"machine1": machine}),
        names=known,
        remember=lambda **more: known.update(more),
        expect=lambda *_, **what: seen.append(what["seen"]),
    )
    underlay.remember(step)
    return known, seen


def test_free_addresses_are_those_at_which_nobody_is() -> None:
    known, _ = look(Underlay("10.77.0.251", "10.77.0.249"))
    assert (known["free1"], known["free2"]) == ("10.77.0.250", "10.77.0.248")
    assert (known["underlay"], known["parent1"]) == ("10.77.0.0/24", "eth0")


def test_without_a_ping_no_address_is_taken_for_free(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"PATH={tmp_path}; {_asking()}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "it has no ping: install iputils-ping\n"


def _asking() -> str:
    """What is asked of the machine, where /usr/sbin and /sbin have nothing."""
    asked: list[str] = []

    class Asked(Underlay):
        def run_checked(self, command: str, *_: Any, **__: Any) -> str:
            asked.append(command)
            return super().run_checked(command)

    look(Asked())
    return asked[-1].replace(":/usr/sbin:/sbin", "")


def test_who_was_given_addresses_keeps_them() -> None:
    known, _ = look(Underlay("10.77.0.240"), free1="10.77.0.240", free2="10.77.0.241")
    assert (known["free1"], known["free2"]) == ("10.77.0.240", "10.77.0.241")


def test_a_machine_without_its_address_is_an_error() -> None:
    lost: Any = SimpleNamespace(name="m", address="10.77.0.1", run_checked=lambda *_: "")
    with pytest.raises(StepFailed, match="no interface with the address"):
        underlay.subnet(lost)
