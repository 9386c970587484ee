"""Broken worlds of the exercise over a plugin, as it runs with the test driver."""

from __future__ import annotations

import base64
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds import two_tasks
from tests.unit.scenarios.worlds.broken import (
    CAPTURE,
    NETWORK,
    NODES,
    PLUGIN,
    Broken,
    body,
    container_left,
    output,
    put,
    text,
)

MESH = "docker plugin inspect"
SUBNET = "10.1.1.0/24"


def greedy(plugin: Any) -> Any:
    plugin["Config"]["Linux"]["Capabilities"].append("CAP_SYS_BOOT")
    return plugin


def without_plugins(nodes: Any) -> Any:
    for node in nodes:
        node["Description"]["Engine"]["Plugins"] = []
    return nodes


def readable(answer: Answer, _: Tape) -> None:
    """Packets to UDP 4789, which the sealed driver does not send, in place of those to 4790."""
    seen = base64.b64decode(answer["out"])
    clear = seen.replace((4790).to_bytes(2, "big"), (4789).to_bytes(2, "big"))
    answer["out"] = base64.b64encode(clear).decode()


def plugin(step: str, machine: str) -> list[Broken]:
    """The plugin of a machine is not as it should be when the step has done its work."""
    return [
        Broken(
            f"not enabled on {machine}",
            step,
            machine,
            PLUGIN,
            put(False, "Enabled"),
            (f"{step}: the plugin is installed and enabled",),
            last=True,
        ),
        Broken(
            f"more than is listed on {machine}",
            step,
            machine,
            PLUGIN,
            body(greedy),
            (f"{step}: it has no privilege beyond",),
            last=True,
        ),
        Broken(
            f"another driver on {machine}",
            step,
            machine,
            PLUGIN,
            put("other.sock", "Config", "Interface", "Socket"),
            (f"{step}: it is the test driver",),
            last=True,
        ),
    ]


def _way(step: str, machine: str, service: str) -> list[Broken]:
    return [
        Broken(
            f"{service} is another address",
            step,
            machine,
            f"-W 4 {service}",
            text(f"PING {service} (10.1.1.", f"PING {service} (10.9.9."),
            (f"{step}: the name {service}",),
        ),
        *two_tasks.path(step, machine, service, "10.1.1."),
        *two_tasks.nothing_captured(step, *two_tasks.VXLAN_MISSED),
    ]


def mesh(step: str, machine: str, other: str, encrypted: bool = False) -> list[Broken]:
    """The connections of a machine's plugin, in the step that judges them."""
    established = (f"{step}: the mesh has an established connection",)
    # Of no connection it cannot be said that it is encrypted.
    silent = (*established, *([f"{step}: the connections are encrypted"] if encrypted else []))
    return [
        Broken(f"{machine} has no peer", step, machine, MESH, output(""), silent),
        Broken(
            f"the peer of {machine} is silent",
            step,
            machine,
            MESH,
            text(" up", " down"),
            silent,
        ),
        Broken(
            f"{machine} has another peer", step, machine, MESH, text(other, "other"), established
        ),
    ]


def clear(step: str) -> list[Broken]:
    """Connections that are to be in the clear are encrypted, and the swarm knows no plugin."""
    return [
        *(
            Broken(
                f"encrypted on {machine}",
                step,
                machine,
                MESH,
                text(" clear", " sealed"),
                (f"{step}: the connections are not encrypted",),
            )
            for machine in ("machine1", "machine2")
        ),
        Broken(
            "the swarm does not know of it",
            step,
            "machine1",
            NODES,
            body(without_plugins),
            (f"{step}: the swarm knows",),
        ),
    ]


def stays(step: str, machine: str, what: str) -> Broken:
    """An interface of the driver is still there when the plugin is removed."""
    left = output("tdb0123456789\n")
    name = f"an interface stays in step {step}"
    return Broken(name, step, machine, r"grep '\^td", left, (f"{step}: {what}",))


WORLDS = [
    *plugin("1", "machine1"),
    *plugin("2", "machine2"),
    *mesh("2", "machine1", "machine2"),
    *mesh("2", "machine2", "machine1"),
    *clear("2"),
    Broken(
        "another id printed",
        "3",
        "machine1",
        "docker network create",
        output("abc\n"),
        ("3: the command prints",),
    ),
    Broken(
        "another subnet",
        "3",
        "machine1",
        NETWORK,
        put([{"Subnet": "10.2.0.0/24", "Gateway": "10.1.1.1"}], "IPAM", "Config"),
        ("3: the network has the subnet",),
    ),
    Broken(
        "another gateway",
        "3",
        "machine1",
        NETWORK,
        put([{"Subnet": SUBNET, "Gateway": "10.1.1.9"}], "IPAM", "Config"),
        ("3: the network has the subnet",),
    ),
    Broken(
        "an overlay", "3", "machine1", NETWORK, put("overlay", "Driver"), ("3: the network's d",)
    ),
    Broken("an overlay", "4", "machine1", NETWORK, put("overlay", "Driver"), ("4: driver",)),
    Broken("a local network", "4", "machine1", NETWORK, put("local", "Scope"), ("4: scope",)),
    *two_tasks.service("6a", "alpine-tunnel1"),
    *two_tasks.service("6b", "alpine-tunnel2"),
    Broken(
        "two networks of one name",
        "5",
        "machine2",
        NETWORK,
        put("another", "Id"),
        ("5: the network",),
    ),
    Broken("an overlay there", "5", "machine2", NETWORK, put("overlay", "Driver"), ("5: driver",)),
    *two_tasks.container("7a", "machine1", "alpine-tunnel1"),
    two_tasks.address("7a", "machine1", "alpine-tunnel1"),
    *two_tasks.container("7b", "machine2", "alpine-tunnel2"),
    two_tasks.address("7b", "machine2", "alpine-tunnel2"),
    *_way("8a", "machine2", "alpine-tunnel1"),
    *_way("8b", "machine1", "alpine-tunnel2"),
    two_tasks.container_stays("9a", "machine2", "alpine-tunnel2"),
    two_tasks.network_stays("9b", "tunnel1", there="5"),
    stays("9c", "machine2", "the plugin is gone"),
    container_left("alpine-tunnel1"),
    stays("0", "machine1", "no service, container or network"),
]


def _sealed(step: str) -> list[Broken]:
    return [
        *two_tasks.nothing_captured(step, "sealed passes"),
        *(
            Broken(
                f"readable on {seen} in step {step}",
                step,
                seen,
                CAPTURE,
                readable,
                (f"{step}: sealed passes", f"{step}: nothing between"),
            )
            for seen in ("machine1", "machine2")
        ),
    ]


ENCRYPTED = [
    *mesh("2", "machine1", "machine2", encrypted=True),
    *mesh("2", "machine2", "machine1", encrypted=True),
    *(
        Broken(
            f"not encrypted on {machine}",
            "2",
            machine,
            MESH,
            text(" sealed", " clear"),
            ("2: the connections are encrypted",),
        )
        for machine in ("machine1", "machine2")
    ),
    *_sealed("8a"),
    *_sealed("8b"),
]
