"""Broken worlds of the exercise over a plugin, as it runs with the test driver."""

from __future__ import annotations

import base64
from typing import Any

from tests.support.tape import Answer, Tape
from tests.unit.scenarios.worlds.broken import (
    CAPTURE,
    CONTAINER,
    CONTAINERS,
    NETWORK,
    NETWORKS,
    NO_PING,
    NODES,
    PLUGIN,
    TASKS,
    Broken,
    as_in,
    body,
    container_left,
    elsewhere,
    empty,
    failing,
    no_packets,
    output,
    placed_elsewhere,
    put,
    stays,
    stopped,
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


def _plugin(step: str, machine: str) -> list[Broken]:
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


def _service(step: str, service: str) -> list[Broken]:
    return [
        Broken(
            f"{service} placed elsewhere",
            step,
            "machine1",
            TASKS,
            body(placed_elsewhere),
            (f"{step}: the task of {service}",),
        ),
        Broken(
            f"the task of {service} has stopped",
            step,
            "machine1",
            TASKS,
            body(stopped),
            (f"{step}: {service} has one", f"{step}: the task of {service}"),
        ),
    ]


def _task(step: str, machine: str, service: str) -> list[Broken]:
    return [
        Broken(
            f"{service} not in docker ps",
            step,
            machine,
            "^docker ps",
            text(service, "other"),
            (f"{step}: `docker ps` shows it",),
        ),
        Broken(
            f"no container of {service}",
            step,
            machine,
            CONTAINERS,
            body(empty),
            (f"{step}: one container", f"{step}: `docker ps`", f"{step}: error"),
        ),
        Broken(
            f"an address elsewhere for {service}",
            step,
            machine,
            CONTAINER,
            body(elsewhere),
            (f"{step}: its address",),
        ),
    ]


def _path(step: str, machine: str) -> list[Broken]:
    """What the two kinds of packets, readable or not, have in common."""
    return [
        Broken(
            f"no reply by address in {step}",
            step,
            machine,
            "-W 4 10.1.1.",
            output(NO_PING),
            (f"{step}: the task's own address",),
        ),
        Broken(
            f"large packets lost in {step}",
            step,
            machine,
            "ping -n -M do",
            failing("3 packets transmitted, 0 received"),
            (f"{step}: a ping of",),
        ),
        Broken(
            f"other bytes arrive in {step}",
            step,
            machine,
            "nc -w 5",
            output("0000  -\n"),
            (f"{step}: 256 KiB sent",),
        ),
    ]


def _way(step: str, machine: str, service: str) -> list[Broken]:
    asked = f"-W 4 {service}"
    return [
        Broken(
            f"{service} is another address",
            step,
            machine,
            asked,
            text(f"PING {service} (10.1.1.", f"PING {service} (10.9.9."),
            (f"{step}: the name {service}",),
        ),
        Broken(
            f"no reply by the name {service}",
            step,
            machine,
            asked,
            output(NO_PING),
            (f"{step}: replies arrive from {service}", f"{step}: the name {service}"),
        ),
        *(
            Broken(
                f"nothing captured on {seen} in {step}",
                step,
                seen,
                CAPTURE,
                no_packets,
                (
                    rf"{step}: VXLAN with VNI \d+ carries ICMP echo request",
                    rf"{step}: VXLAN with VNI \d+ carries ICMP echo reply",
                ),
            )
            for seen in ("machine1", "machine2")
        ),
        *_path(step, machine),
    ]


def _mesh(machine: str, other: str, encrypted: bool = False) -> list[Broken]:
    established = ("2: the mesh has an established connection",)
    # Of no connection it cannot be said that it is encrypted.
    silent = (*established, *(["2: the connections are encrypted"] if encrypted else []))
    return [
        Broken(f"{machine} has no peer", "2", machine, MESH, output(""), silent),
        Broken(
            f"the peer of {machine} is silent",
            "2",
            machine,
            MESH,
            text(" up", " down"),
            silent,
        ),
        Broken(
            f"{machine} has another peer", "2", machine, MESH, text(other, "other"), established
        ),
    ]


WORLDS = [
    *_plugin("1", "machine1"),
    *_plugin("2", "machine2"),
    *_mesh("machine1", "machine2"),
    *_mesh("machine2", "machine1"),
    *(
        Broken(
            f"encrypted on {machine}",
            "2",
            machine,
            MESH,
            text(" clear", " sealed"),
            ("2: the connections are not encrypted",),
        )
        for machine in ("machine1", "machine2")
    ),
    Broken(
        "the swarm does not know of it",
        "2",
        "machine1",
        NODES,
        body(without_plugins),
        ("2: the swarm knows",),
    ),
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
    Broken("an overlay", "4", "machine1", NETWORK, put("overlay", "Driver"), ("4: driver",)),
    Broken("a local network", "4", "machine1", NETWORK, put("local", "Scope"), ("4: scope",)),
    *_service("6a", "alpine-tunnel1"),
    *_service("6b", "alpine-tunnel2"),
    Broken(
        "two networks of one name",
        "5",
        "machine2",
        NETWORK,
        put("another", "Id"),
        ("5: the network",),
    ),
    Broken("an overlay there", "5", "machine2", NETWORK, put("overlay", "Driver"), ("5: driver",)),
    *_task("7a", "machine1", "alpine-tunnel1"),
    *_task("7b", "machine2", "alpine-tunnel2"),
    *_way("8a", "machine2", "alpine-tunnel1"),
    *_way("8b", "machine1", "alpine-tunnel2"),
    Broken(
        "a container stays",
        "9a",
        "machine2",
        "%3Dalpine-tunnel2",
        stays(),
        ("9a: no container",),
    ),
    Broken("the network stays", "9b", "machine2", NETWORKS, as_in("5", NETWORKS), ("9b: tunnel1",)),
    Broken(
        "an interface stays",
        "9c",
        "machine2",
        r"grep '\^td",
        output("tdb0123456789\n"),
        ("9c: the plugin is gone",),
    ),
    container_left("alpine-tunnel1"),
    Broken(
        "an interface is left",
        "0",
        "machine1",
        r"grep '\^td",
        output("tdb0123456789\n"),
        ("0: no service, container or network",),
    ),
]


def _sealed(step: str, machine: str) -> list[Broken]:
    return [
        *(
            Broken(
                f"nothing captured on {seen} in {step}",
                step,
                seen,
                CAPTURE,
                no_packets,
                (f"{step}: sealed passes",),
            )
            for seen in ("machine1", "machine2")
        ),
        *(
            Broken(
                f"readable on {seen} in {step}",
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
    *_mesh("machine1", "machine2", encrypted=True),
    *_mesh("machine2", "machine1", encrypted=True),
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
    *_sealed("8a", "machine2"),
    *_sealed("8b", "machine1"),
]
