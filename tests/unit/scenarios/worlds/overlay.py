"""Broken worlds of the overlay exercise, on a kernel that has IPVS."""

from __future__ import annotations

from typing import Any

from tests.unit.scenarios.worlds import two_tasks
from tests.unit.scenarios.worlds.broken import (
    CONTAINER,
    INFO,
    NETWORK,
    NETWORKS,
    NODES,
    SERVICE,
    Broken,
    body,
    container_left,
    elsewhere,
    empty,
    first_only,
    output,
    put,
)


def followers(nodes: Any) -> Any:
    return [
        {**node, "ManagerStatus": {**node.get("ManagerStatus", {}), "Leader": False}}
        for node in nodes
    ]


def _path(step: str, machine: str, service: str) -> list[Broken]:
    """By address, and by the name, whose virtual address takes it to the task."""
    return [
        *two_tasks.path(step, machine, service, "172.45.", wait=1),
        two_tasks.other_bytes(step, machine, service),
        *two_tasks.nothing_captured(step, *two_tasks.VXLAN_MISSED),
    ]


WORLDS = [
    Broken(
        "no swarm",
        "1",
        "machine1",
        INFO,
        put("inactive", "Swarm", "LocalNodeState"),
        ("1: the node is in a swarm",),
    ),
    Broken(
        "a worker first",
        "1",
        "machine1",
        INFO,
        put(False, "Swarm", "ControlAvailable"),
        ("1: the node is a manager",),
    ),
    Broken(
        "second not joined",
        "2",
        "machine2",
        INFO,
        put("pending", "Swarm", "LocalNodeState"),
        ("2: the node is in a swarm",),
    ),
    Broken("not listed", "2", "machine1", NODES, body(first_only), ("2: machine1 lists",)),
    Broken(
        "a node is down",
        "3",
        "machine1",
        NODES,
        put("down", "Status", "State"),
        ("3: both nodes are Ready",),
    ),
    Broken(
        "one node",
        "3",
        "machine1",
        NODES,
        body(first_only),
        ("3: both nodes are Ready",),
    ),
    Broken("no leader", "3", "machine1", NODES, body(followers), ("3: one manager leads",)),
    Broken(
        "a local ingress",
        "4",
        "machine2",
        NETWORK,
        put("local", "Scope"),
        ("4: ingress exists",),
    ),
    *(
        Broken(
            f"no swarm networks on {machine}",
            "4",
            machine,
            NETWORKS,
            body(empty),
            ("4: docker_gwbridge", "4: ingress"),
        )
        for machine in ("machine1", "machine2")
    ),
    Broken(
        "another id printed",
        "5",
        "machine1",
        "docker network create",
        output("abc\n"),
        ("5: the command prints",),
    ),
    Broken(
        "another subnet",
        "5",
        "machine1",
        NETWORK,
        put([{"Subnet": "10.1.0.0/16"}], "IPAM", "Config"),
        ("5: the network has the subnet",),
    ),
    Broken(
        "a bridge", "5", "machine1", NETWORK, put("bridge", "Driver"), ("5: the network's dri",)
    ),
    Broken("a bridge", "6", "machine1", NETWORK, put("bridge", "Driver"), ("6: driver",)),
    Broken(
        "a local network",
        "6",
        "machine1",
        NETWORK,
        put("local", "Scope"),
        ("6: scope",),
    ),
    Broken(
        "the network is gone",
        "6",
        "machine1",
        NETWORKS,
        body(empty),
        ("6: driver", "6: scope"),
    ),
    *two_tasks.service("7", "alpine-overlay1"),
    *two_tasks.service("8", "alpine-overlay2"),
    *two_tasks.container("9", "machine1", "alpine-overlay1"),
    two_tasks.address("10", "machine1", "alpine-overlay1"),
    Broken(
        "two networks of one name",
        "11",
        "machine2",
        NETWORK,
        put("another", "Id"),
        ("11: the network has the same id",),
    ),
    Broken(
        "on neither host",
        "11",
        "",
        NETWORKS,
        body(empty),
        ("11: the network has the same id",),
    ),
    *two_tasks.container("12", "machine2", "alpine-overlay2"),
    two_tasks.address("13", "machine2", "alpine-overlay2"),
    Broken(
        "another virtual address",
        "14",
        "machine1",
        SERVICE,
        put([{"Addr": "172.45.9.9/16"}], "Endpoint", "VirtualIPs"),
        ("14: the name",),
    ),
    Broken(
        "an address of another network",
        "12",
        "machine2",
        CONTAINER,
        body(elsewhere),
        ("13: the two tasks",),
    ),
    Broken(
        "another virtual address back",
        "15",
        "machine1",
        SERVICE,
        put([{"Addr": "172.45.9.9/16"}], "Endpoint", "VirtualIPs"),
        ("15: the name",),
    ),
    *_path("14", "machine2", "alpine-overlay1"),
    *_path("15", "machine1", "alpine-overlay2"),
    two_tasks.container_stays("16", "machine1", "alpine-overlay1"),
    two_tasks.network_stays("17", "overlaynet1", there="6"),
    container_left("alpine-overlay2"),
]
