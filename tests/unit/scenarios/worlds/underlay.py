"""Broken worlds of exercises whose packets the underlay has encrypted, or as they are."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import containers, frames
from tests.unit.scenarios.worlds.broken import CAPTURE, NETWORK, Broken, body, output, put
from tests.unit.scenarios.worlds.containers import inspected

_FIRST, _SECOND = "192.168.56.11", "192.168.56.12"


def _address(name: str, tape: Tape) -> str:
    """A container's address in its network."""
    keys = [key for key in tape.answers if re.search(inspected(name), key.split("|", 3)[3])]
    found = [one for key in keys for one in tape.answers[key] if one["status"] == 200]
    networks = json.loads(found[0]["body"])["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])


# -- encrypted ------------------------------------------------------------------------------------


def _readable(network: Any) -> Any:
    del network["Options"]["encrypted"]
    return network


def _in_the_clear(answer: Answer, tape: Tape) -> None:
    """One of the pings is in VXLAN that nothing encrypts."""
    sent = frames.ping(_address("secret1", tape), _address("secret2", tape))
    frames.with_frame(frames.in_vxlan(sent), answer)


def _way(step: str, machine: str, other: str) -> list[Broken]:
    """The step that crosses the encrypted network."""
    return [
        *containers.crosses(step, machine, other, r"10\.46\S+", missed=("ESP passes",)),
        *(
            world
            for seen in ("machine1", "machine2")
            for world in (
                *(
                    Broken(
                        f"too little ESP from {start} on {seen} in step {step}",
                        step,
                        seen,
                        CAPTURE,
                        frames.one_less(start),
                        (f"{step}: ESP passes {re.escape(start)} > {re.escape(end)}",),
                    )
                    for start, end in ((_FIRST, _SECOND), (_SECOND, _FIRST))
                ),
                Broken(
                    f"readable on {seen} in step {step}",
                    step,
                    seen,
                    CAPTURE,
                    _in_the_clear,
                    (f"{step}: nothing between",),
                ),
            )
        ),
    ]


ENCRYPTED: list[Broken] = [
    *containers.network("1", "overlay"),
    Broken("readable", "1", "machine1", NETWORK, body(_readable), ("1: it is encrypted",)),
    *containers.runs("2", "machine1", "secret1"),
    *containers.runs("3", "machine2", "secret2"),
    *_way("4", "machine1", "secret2"),
    *_way("5", "machine2", "secret1"),
    containers.stays("6", "machine1", "secret1", "2"),
    containers.stays("7", "machine2", "secret2", "3"),
    containers.network_stays("8", "machine1", "secretnet1", "1"),
    containers.left("secret1"),
]


# -- ipvlan ---------------------------------------------------------------------------------------

IPVLAN: list[Broken] = [
    Broken(
        "another subnet on machine2",
        "1",
        "machine2",
        "^ip -o -4 address show to",
        output(f"3: eth1    inet {_SECOND}/16 scope global eth1\n"),
        ("1: all machines are in one subnet",),
    ),
    Broken(
        "one free address",
        "1",
        "machine1",
        "ip neigh show",
        output("192.168.56.251\n"),
        ("1: 2 addresses",),
    ),
    *containers.network("2", "ipvlan"),
    *containers.network("3", "ipvlan", "machine2"),
    *(
        world
        for step, machine, name in (("4", "machine1", "ip1"), ("5", "machine2", "ip2"))
        for world in (
            *containers.runs(step, machine, name),
            Broken(
                f"{name} has another MAC address",
                step,
                machine,
                "^cat /sys/class/net",
                output("02:00:00:00:00:01\n"),
                (f"{step}: {name} has the MAC address",),
            ),
        )
    ),
    *containers.unwrapped("6", "machine1", "ip2", r"192\.168\S+"),
    containers.silent("7", "machine1", _SECOND, "the machine machine2 answers"),
    containers.answering("7", "machine1", _FIRST, "7: its own machine"),
    containers.not_sent("7", "machine1", _FIRST, "7: its own machine"),
    containers.stays("8", "machine1", "ip1", "4"),
    containers.stays("9", "machine2", "ip2", "5"),
    containers.network_stays("10", "machine1", "ipnet1", "2"),
    Broken(
        "another driver", "11", "machine1", NETWORK, put("other", "Driver"), ("11: its driver",)
    ),
    Broken(
        "one subnet",
        "11",
        "machine1",
        NETWORK,
        put([{"Subnet": "172.30.51.0/24"}], "IPAM", "Config"),
        ("11: it has two subnets",),
    ),
    *containers.runs("12", "machine1", "ip3"),
    *containers.runs("13", "machine1", "ip4"),
    containers.silent("14", "machine1", r"172\S+", "ip4 answers ip3"),
    *(containers.leaves("14", machine) for machine in ("machine1", "machine2")),
    containers.large_lost("14", "machine1"),
    containers.stays("15", "machine1", "ip3", "12"),
    containers.stays("15", "machine1", "ip4", "13"),
    containers.network_stays("16", "machine1", "ipnet2", "11"),
    containers.left("ip1"),
]
