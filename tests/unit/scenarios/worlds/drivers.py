"""Broken worlds of the network drivers' exercises."""

from __future__ import annotations

import json
import re

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import containers, two_tasks
from tests.unit.scenarios.worlds.broken import (
    NETWORK,
    SERVICE,
    TASKS,
    Broken,
    Edit,
    body,
    elsewhere,
    output,
    put,
    stopped,
    text,
)
from tests.unit.scenarios.worlds.containers import inspected


def _virtual(answer: Answer, tape: Tape) -> None:
    """As if the service had a virtual address in its network."""
    key = next(key for key in tape.answers if "docker network create" in key)
    network = tape.answers[key][0]["out"].strip()
    service = json.loads(answer["body"])
    service["Endpoint"]["VirtualIPs"] = [{"NetworkID": network, "Addr": "10.46.4.9/24"}]
    answer["body"] = json.dumps(service)


BRIDGE: list[Broken] = [
    *(
        Broken(
            f"another driver on {machine}",
            "1",
            machine,
            NETWORK,
            put("other", "Driver"),
            ("1: bridge exists",),
        )
        for machine in ("machine1", "machine2")
    ),
    *(
        world
        for step, machine, name in (
            ("2", "machine1", "bridge1"),
            ("3", "machine1", "bridge2"),
            ("6", "machine1", "bridge3"),
            ("7", "machine1", "bridge4"),
            ("10", "machine2", "bridge5"),
        )
        for world in containers.runs(step, machine, name)
    ),
    containers.silent("4", "machine1", r"172\S+", "bridge2 answers"),
    containers.answering("4", "machine1", "bridge2", "4: in bridge1 the name bridge2 does not"),
    containers.not_asked("4", "machine1", "bridge2"),
    *containers.network("5", "bridge"),
    containers.name_lost("8", "machine1", "bridge4", "in bridge3", "bridge4 answers to its name"),
    containers.silent("8", "machine1", "bridge4", "bridge4 answers to its name"),
    containers.silent("8", "machine1", r"172\S+", "bridge4 answers bridge3"),
    containers.large_lost("8", "machine1"),
    *(containers.leaves("8", machine) for machine in ("machine1", "machine2")),
    containers.answering("9", "machine1", "172.30.46.2", "9: bridge3 does not answer"),
    containers.not_sent("9", "machine1", "172.30.46.2", "9: bridge3 does not answer"),
    containers.silent("11", "machine2", r"10\S+", "the first machine answers"),
    containers.answering("11", "machine2", "172.30.46.2", "11: bridge3 does not answer"),
    containers.stays("12", "machine1", "bridge1", "2"),
    containers.stays("13", "machine2", "bridge5", "10"),
    containers.network_stays("14", "machine1", "bridgenet1", "5"),
    containers.left("bridge1"),
]

ATTACHABLE: list[Broken] = [
    *containers.network("1", "overlay"),
    Broken(
        "not attachable", "1", "machine1", NETWORK, put(False, "Attachable"), ("1: it is attach",)
    ),
    *containers.runs("2", "machine1", "attach1"),
    *containers.runs("3", "machine2", "attach2"),
    Broken("another network", "3", "machine2", NETWORK, put("x", "Id"), ("3: the network has",)),
    *containers.crosses("4", "machine1", "attach2", r"10\.46\S+"),
    *containers.crosses("5", "machine2", "attach1", r"10\.46\S+"),
    containers.stays("6", "machine1", "attach1", "2"),
    containers.stays("7", "machine2", "attach2", "3"),
    containers.network_stays("8", "machine1", "attachnet1", "3"),
    containers.left("attach1"),
]

NONE: list[Broken] = [
    *containers.runs("1", "machine1", "none1"),
    Broken(
        "an interface more",
        "2",
        "machine1",
        "ip -j",
        lambda answer, _: answer.update(out='[{"ifname": "lo"}, {"ifname": "eth0"}]'),
        ("2: its only interface",),
    ),
    containers.silent("3", "machine1", "127.0.0.1", "itself answers"),
    containers.answering("3", "machine1", "10.77.0.1", "3: its own machine"),
    containers.stays("4", "machine1", "none1", "1"),
    containers.left("none1"),
]


def _mac_of(name: str) -> Edit:
    """As if the machine's interface had the container's own MAC address."""

    def edit(answer: Answer, tape: Tape) -> None:
        keys = [key for key in tape.answers if re.search(inspected(name), key.split("|", 3)[3])]
        found = [one for key in keys for one in tape.answers[key] if one["status"] == 200]
        networks = json.loads(found[0]["body"])["NetworkSettings"]["Networks"]
        answer["out"] = f"{next(iter(networks.values()))['MacAddress']}\n"

    return edit


HOST: list[Broken] = [
    *(
        world
        for step, machine, name in (("1", "machine1", "host1"), ("2", "machine2", "host2"))
        for world in (
            *containers.runs(step, machine, name),
            Broken(
                f"{name} has an address",
                step,
                machine,
                inspected(name),
                body(elsewhere),
                (f"{step}: the engine gave {name}",),
            ),
            Broken(
                f"{name} has other interfaces",
                step,
                machine,
                "ip -j",
                output('[{"ifname": "eth0", "addr_info": [{"local": "10.9.9.9"}]}]'),
                (f"{step}: {name} has the machine's own address",),
            ),
        )
    ),
    *containers.unwrapped("3", "machine1", "host2", r"10\.77\S+"),
    *containers.unwrapped("4", "machine2", "host1", r"10\.77\S+"),
    containers.answering("5", "machine1", "host2", "5: in host1 the name host2"),
    containers.not_asked("5", "machine1", "host2"),
    containers.stays("6", "machine1", "host1", "1"),
    containers.stays("7", "machine2", "host2", "2"),
    containers.left("host1"),
]

MACVLAN: list[Broken] = [
    Broken(
        "another subnet on machine2",
        "1",
        "machine2",
        "^ip -o -4 address show to",
        output("2: eth0    inet 10.77.0.2/16 scope global eth0\n"),
        ("1: all machines are in one subnet",),
    ),
    Broken(
        "one free address",
        "1",
        "machine1",
        "ip neigh show",
        output("10.77.0.250\n"),
        ("1: 2 addresses",),
    ),
    *(
        world
        for step, machine in (("2", "machine1"), ("3", "machine2"))
        for world in (
            *containers.network(step, "macvlan", machine),
            Broken(
                f"another parent on {machine}",
                step,
                machine,
                NETWORK,
                put({"parent": "eth9"}, "Options"),
                (f"{step}: its parent",),
            ),
        )
    ),
    *(
        world
        for step, machine, name in (("4", "machine1", "mac1"), ("5", "machine2", "mac2"))
        for world in (
            *containers.runs(step, machine, name, "MAC"),
            Broken(
                f"{name} has the machine's MAC address",
                step,
                machine,
                "^cat /sys/class/net",
                _mac_of(name),
                (f"{step}: {name} has a MAC",),
            ),
        )
    ),
    *containers.unwrapped("6", "machine1", "mac2", r"10\.77\S+"),
    *containers.unwrapped("7", "machine2", "mac1", r"10\.77\S+"),
    containers.silent("8", "machine1", "10.77.0.2", "the machine machine2 answers"),
    containers.answering("8", "machine1", "10.77.0.1", "8: its own machine"),
    containers.stays("9", "machine1", "mac1", "4"),
    containers.stays("10", "machine2", "mac2", "5"),
    containers.network_stays("11", "machine1", "macnet1", "2"),
    containers.left("mac1"),
]

IPV6_NETWORK: list[Broken] = [
    Broken("no IPv6", "1", "machine1", NETWORK, put(False, "EnableIPv6"), ("1: it has IPv6",)),
    Broken(
        "another subnet", "1", "machine1", NETWORK, put([], "IPAM", "Config"), ("1: it has both",)
    ),
    *(
        world
        for step, name in (("2", "six1"), ("3", "six2"))
        for world in containers.runs(step, "machine1", name, "IPv[46] address")
    ),
    Broken(
        "one address only",
        "4",
        "machine1",
        "nslookup",
        text("fd00:46:47::3", "fd00:46:47::9"),
        ("4: the name six2 resolves",),
    ),
    containers.silent("4", "machine1", r"172\S+", r"six2 answers six1 at its address 172"),
    containers.silent("4", "machine1", r"fd00\S+", r"six2 answers six1 at its address fd00"),
    containers.stays("5", "machine1", "six1", "2"),
    containers.network_stays("6", "machine1", "sixnet1", "1"),
    containers.left("six1"),
]

DNSRR: list[Broken] = [
    *containers.network("1", "overlay"),
    Broken("no task", "2", "machine1", TASKS, body(stopped), ("2: dns1 has 2",)),
    Broken(
        "a virtual address",
        "2",
        "machine1",
        SERVICE,
        _virtual,
        ("2: the service has no virtual",),
    ),
    *containers.runs("3", "machine1", "dnsclient1"),
    Broken(
        "other addresses",
        "4",
        "machine1",
        "nslookup",
        text("10.46.4", "10.46.9"),
        ("4: dns1 resolves",),
    ),
    Broken(
        "another task answers at the addresses",
        "5",
        "machine1",
        r"nc -w 5 10\.",
        output("@\nabcdefabcdef\n"),
        ("5: each of the tasks",),
    ),
    Broken(
        "nobody answers to the name",
        "5",
        "machine1",
        "nc -w 5 dns1",
        output("@\nno answer\n" * 4),
        ("5: of four connections",),
    ),
    containers.silent("5", "machine1", "dns1", "a ping of dns1"),
    containers.stays("6", "machine1", "dnsclient1", "3"),
    two_tasks.container_stays("7", "machine1", "dns1"),
    containers.network_stays("8", "machine1", "dnsnet1", "1"),
    containers.left("dnsclient1"),
]
