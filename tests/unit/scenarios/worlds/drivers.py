"""Broken worlds of the network drivers' exercises."""

from __future__ import annotations

from tests.unit.scenarios.worlds import containers
from tests.unit.scenarios.worlds.broken import NETWORK, Broken, put

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
