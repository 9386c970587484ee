"""What each fault says, needs and does to a machine, as text."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable

import pytest

from provision.faults import library
from provision.faults.fault import Fault, Seen
from provision.support.errors import UserError

SEEN = Seen(
    machine="machine2",
    lab="t",
    address="10.0.0.2",
    peers=("10.0.0.1", "10.0.0.3"),
    ssh=("22", "2222"),
    device="eth1",
    timer="systemd",
    packet_filter="iptables",
    docker=True,
    tools=frozenset({"tc", "unshare"}),
)
EVERY: tuple[Fault, ...] = (
    library.partition("a", "b"),
    library.loss("a", "b"),
    library.mtu("a", "b"),
    library.delay("a", "b"),
    library.reorder("a", "b"),
    library.rate("a", "b"),
    library.kill_daemon("a"),
    library.freeze_daemon("a"),
    library.power_off("a"),
    library.clock("a"),
    library.mute("a", "b"),
    library.broken_config("a"),
    library.drain("a", by="b", node="n1"),
    library.changed_service("a", "web", ("--replicas", "0"), ("--replicas", "1")),
    library.name_server("a", "web"),
    library.task_link("a", "web", "net"),
)
DROPS = [fault for fault in EVERY if fault.kind in {"partition", "loss", "mtu", "mute"}]
SHAPED = [fault for fault in EVERY if fault.kind in {"delay", "reorder", "rate"}]


def seen(**other: object) -> Seen:
    return dataclasses.replace(SEEN, **other)  # type: ignore[arg-type]


def test_a_fault_says_what_it_is() -> None:
    assert [fault.words() for fault in EVERY] == [
        "no packet passes between a and b",
        "30 % of what a sends to b is lost",
        "packets larger than 1400 bytes are lost between a and b",
        "what a sends to b is 100 ms late",
        "25 % of what a sends to b overtakes the rest, which is 20 ms late",
        "a sends no more than 1000 kbit/s to b",
        "Docker's daemon on a is killed",
        "Docker's daemon on a is frozen",
        "a has no power",
        "the clock of a is 3600 s ahead",
        "what a sends to port 4789/udp of b does not leave",
        "daemon.json on a cannot be read, and Docker's daemon does not start",
        "the node a is drained",
        "the service web was updated with --replicas 0",
        "the task of web on a asks another name server",
        "the interface of the task of web in net is down",
    ]
    assert library.clock("a", -60).words() == "the clock of a is 60 s behind"
    assert (
        library.partition("a", "b", port="53/udp", one_way=True).words()
        == "what a sends to port 53/udp does not reach b"
    )


def test_a_fault_between_machines_is_towards_all_the_others_unless_some_are_named() -> None:
    every = ("a", "b", "c")
    assert library.partition("b").on_lab(every).others == ("a", "c")
    assert library.partition("b", "c").on_lab(every).others == ("c",)
    assert library.clock("b").on_lab(every).others == ()
    with pytest.raises(UserError, match="a is the lab's only machine"):
        library.loss("a").on_lab(("a",))


def test_what_is_lost_is_dropped_where_it_arrives_and_what_is_shaped_where_it_leaves() -> None:
    assert library.partition("a", "b", "c").places() == ("a", "b", "c")
    assert library.partition("a", "b", "c", one_way=True).places() == ("b", "c")
    assert library.loss("a", "b").places() == ("b",)
    assert library.mtu("a", "b").places() == ("a", "b")
    assert library.delay("a", "b").places() == ("a",)
    assert library.mute("a", "b").places() == ("a",)
    assert library.drain("a", by="b", node="n1").places() == ("b",)
    both = library.partition("a", "b", "c")
    assert (both.towards("a"), both.towards("c")) == (("b", "c"), ("a",))


def test_its_machines_can_be_named_by_their_places() -> None:
    named = library.partition("machine1", "machine2").named({"machine1": "x", "machine2": "y"}.get)  # type: ignore[arg-type]
    assert (named.on, named.others) == ("x", ("y",))


@pytest.mark.parametrize("fault", DROPS, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_ssh_is_let_through_before_anything_is_dropped(fault: Fault, tool: str) -> None:
    part = fault.part(seen(packet_filter=tool), "0a1b2c3d")
    lines = part.make.splitlines()
    drops = [
        n for n, line in enumerate(lines) if line.rstrip("'").rstrip().lower().endswith("drop")
    ]
    let_through = [n for n, line in enumerate(lines) if line.endswith((" accept", " RETURN"))]
    assert drops
    assert max(let_through) < min(drops)
    text = "\n".join(lines[n] for n in let_through)
    for port in SEEN.ssh:
        assert port in text
    # Only what the machines at the other end send.
    assert all("10.0.0.1" in lines[n] or "10.0.0.3" in lines[n] for n in drops)


def test_the_rules_are_in_a_table_or_chain_of_the_faults_own_which_is_removed_whole() -> None:
    nft = library.partition("a", "b").part(seen(packet_filter="nft"), "0a1b2c3d")
    assert "nft delete table ip swarmrig-t-0a1b2c3d" in nft.heal
    iptables = library.partition("a", "b").part(SEEN, "0a1b2c3d")
    assert "iptables -w -t mangle -X swarmrig-0a1b2c3d" in iptables.heal
    assert "'swarmrig fault 0a1b2c3d of lab t'" in iptables.make
    for part in (nft, iptables):
        assert part.make.startswith(part.heal)  # made twice, it is there once
    # Whether it still drops anything: an emptied chain, or one that nothing jumps to, does not.
    assert nft.there.startswith("nft list table ip swarmrig-t-0a1b2c3d ")
    assert " -C PREROUTING " in iptables.there
    assert iptables.there.endswith("-S swarmrig-0a1b2c3d 2>/dev/null | grep -q -e '-j DROP'")


def test_shell_text_is_a_shells_and_names_are_quoted() -> None:
    strange = "we'b; reboot"
    faults = (
        *EVERY,
        library.changed_service("a", strange, (strange,), (strange,)),
        library.name_server("a", strange),
        library.task_link("a", strange, strange),
        library.drain("a", by="b", node=strange),
    )
    for fault in faults:
        for tool in ("nft", "iptables"):
            part = fault.part(seen(packet_filter=tool), "0a1b2c3d")
            for text in (part.make, part.heal, part.before, part.there):
                done = subprocess.run(["sh", "-n", "-c", text], check=False)
                assert done.returncode == 0, text
                assert "\nreboot" not in text


@pytest.mark.parametrize(
    ("fault", "nft", "iptables"),
    [
        (library.partition("a", "b"), "} drop", "-s 10.0.0.1 -j DROP"),
        (
            library.partition("a", "b", port="4789/udp"),
            "} udp dport 4789 drop",
            "-s 10.0.0.1 -p udp --dport 4789 -j DROP",
        ),
        (
            library.partition("a", "b", port="7946"),
            "} meta l4proto { tcp, udp } th dport 7946 drop",
            "-s 10.0.0.1 -p udp --dport 7946 -j DROP",
        ),
        (
            library.mute("a", "b", port="53/tcp"),
            "ip daddr { 10.0.0.1, 10.0.0.3 } tcp dport 53 drop",
            "-d 10.0.0.1 -p tcp --dport 53 -j DROP",
        ),
        (
            library.mtu("a", "b", size=1300),
            "} ip length > 1300 drop",
            "-m length --length 1301:65535 -j DROP",
        ),
        (
            library.loss("a", "b", percent=12.5),
            "numgen random mod 10000 < 1250 drop",
            "-m statistic --mode random --probability 0.1250 -j DROP",
        ),
    ],
    ids=["all", "port", "both protocols", "leaving", "size", "percent"],
)
def test_what_is_dropped(fault: Fault, nft: str, iptables: str) -> None:
    assert nft in fault.part(seen(packet_filter="nft"), "x").make
    assert iptables in fault.part(SEEN, "x").make


@pytest.mark.parametrize("fault", SHAPED, ids=lambda fault: fault.kind)
def test_ssh_and_all_that_does_not_go_to_the_others_is_not_shaped(fault: Fault) -> None:
    make = fault.part(SEEN, "x").make
    assert "root handle 5357: htb default 0" in make  # what matches nothing goes straight out
    for port in SEEN.ssh:
        for way in ("dport", "sport"):
            assert f"prio 1 u32 match ip protocol 6 0xff match ip {way} {port} 0xffff" in make
    shaped = [line for line in make.splitlines() if line.endswith("flowid 5357:1")]
    assert [line.split("match ip dst ")[1].split()[0] for line in shaped] == [
        "10.0.0.1/32",
        "10.0.0.3/32",
    ]
    assert "dev eth1" in make
    assert "eth1" not in fault.part(SEEN, "x").trial


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (library.delay("a", "b", ms=40, jitter=5), "netem limit 100000 delay 40ms 5ms"),
        (library.reorder("a", "b", percent=10, ms=7), "delay 7ms reorder 10%"),
        (library.rate("a", "b", kbit=512), "htb rate 512kbit"),
    ],
    ids=["delay", "reorder", "rate"],
)
def test_how_it_is_shaped(fault: Fault, words: str) -> None:
    assert words in fault.part(SEEN, "x").make


@pytest.mark.parametrize(
    ("fault", "lacking", "words"),
    [
        *((fault, {"packet_filter": ""}, "neither nft nor iptables") for fault in DROPS),
        *((fault, {"tools": frozenset()}, "it has no tc") for fault in SHAPED),
        *((fault, {"device": ""}, "do not all leave by one interface") for fault in SHAPED),
        (EVERY[6], {"docker": False}, "systemd does not run Docker's daemon"),
        (EVERY[7], {"docker": False}, "systemd does not run Docker's daemon"),
        (EVERY[11], {"docker": False}, "systemd does not run Docker's daemon"),
        (EVERY[6], {"containers": ("web",)}, "run on it, which stop with Docker's daemon: web"),
        (EVERY[11], {"containers": ("web",)}, "run on it, which stop with Docker's daemon: web"),
        (EVERY[8], {"existing": True}, "its power is its owner's"),
        (EVERY[8], {"container": True}, "has no power of its own"),
        (EVERY[8], {"timer": "setsid"}, "systemd does not run on it"),
        (EVERY[9], {"existing": True}, "its clock is its owner's"),
        (EVERY[9], {"container": True}, "its clock is this host's"),
    ],
)
def test_what_a_machine_lacks_is_said(fault: Fault, lacking: dict[str, object], words: str) -> None:
    assert fault.refusal(SEEN) == ""
    assert words in fault.refusal(seen(**lacking))


def test_after_a_power_cut_the_start_is_held_before_the_network_and_no_longer() -> None:
    fault = dataclasses.replace(library.power_off("a"), seconds=30)
    part = fault.part(SEEN, "0a1b2c3d")
    unit = "/etc/systemd/system/swarmrig-hold-0a1b2c3d.service"
    assert "Before=network-pre.target" in part.before
    assert "end=$(($(date +%s) + 30))" in part.before
    assert f"sync {unit}" in part.before  # a power cut loses what is not on the disk
    assert "sysrq-trigger" in part.make
    assert "sysrq-trigger" not in part.before + part.heal
    assert unit in part.heal


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: library.partition("a", "a"), "given a at both ends; allowed: two machines"),
        (lambda: library.partition("a", port="99999/tcp"), "such as 4789/udp"),
        (lambda: library.partition("a", port="80; reboot"), "such as 4789/udp"),
        (lambda: library.mute("a", port="x"), "fault mute: given port 'x'; allowed: a number, or"),
        (lambda: library.loss("a", percent=0), "fault loss: given percent 0; allowed: 0.1 to 100"),
        (lambda: library.loss("a", percent=float("nan")), "given percent nan"),
        (lambda: library.delay("a", ms=0), "fault delay: given ms 0; allowed: 1 to 10000"),
        (lambda: library.delay("a", ms=5, jitter=6), "given jitter 6; allowed: 0 to 5"),
        (lambda: library.rate("a", kbit=1), "given kbit 1"),
        (lambda: library.reorder("a", percent=100), "given percent 100; allowed: 0.1 to 99"),
        (lambda: library.mtu("a", size=20), "given size 20"),
        (lambda: library.clock("a", 0), "given seconds 0"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(
    wrong: Callable[[], Fault], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        wrong()
    assert words in str(caught.value)
