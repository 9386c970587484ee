"""Broken worlds that exercises with two tasks in one network share, whatever its driver."""

from __future__ import annotations

from tests.unit.scenarios.worlds.broken import (
    CAPTURE,
    CONTAINER,
    CONTAINERS,
    NETWORKS,
    NO_PING,
    TASKS,
    Broken,
    as_in,
    body,
    elsewhere,
    empty,
    failing,
    no_packets,
    output,
    placed_elsewhere,
    stays,
    stopped,
    text,
)

VXLAN_MISSED = (
    r"VXLAN with VNI \d+ carries ICMP echo request",
    r"VXLAN with VNI \d+ carries ICMP echo reply",
)


def service(step: str, name: str) -> list[Broken]:
    """The step that creates a service: its task is elsewhere, or does not run."""
    return [
        Broken(
            f"{name} placed elsewhere",
            step,
            "machine1",
            TASKS,
            body(placed_elsewhere),
            (f"{step}: the task of {name} is on",),
        ),
        Broken(
            f"the task of {name} has stopped",
            step,
            "machine1",
            TASKS,
            body(stopped),
            (f"{step}: {name} has one", f"{step}: the task of {name}"),
        ),
    ]


def container(step: str, machine: str, name: str) -> list[Broken]:
    """The step that looks for a service's container on its machine."""
    return [
        Broken(
            f"{name} not in docker ps",
            step,
            machine,
            "^docker ps",
            text(name, "other"),
            (f"{step}: `docker ps` shows it",),
        ),
        Broken(
            f"no container of {name}",
            step,
            machine,
            CONTAINERS,
            body(empty),
            (f"{step}: one container", f"{step}: `docker ps`", f"{step}: error"),
        ),
    ]


def address(step: str, machine: str, name: str) -> Broken:
    """The step that looks at a task's address in the network."""
    return Broken(
        f"an address elsewhere for {name}",
        step,
        machine,
        CONTAINER,
        body(elsewhere),
        (f"{step}: its address",),
    )


def path(step: str, machine: str, service: str, network: str, wait: int = 4) -> list[Broken]:
    """The step that crosses to a service's task; `network` begins the addresses of its network.

    `wait` is how long the ping of the service's name waits for its last answer.
    """
    return [
        Broken(
            f"no reply by address in step {step}",
            step,
            machine,
            f"-W 4 {network}",
            output(NO_PING),
            (f"{step}: the task's own address",),
        ),
        Broken(
            f"no reply by the name {service}",
            step,
            machine,
            f"-W {wait} {service}",
            output(NO_PING),
            (f"{step}: replies arrive from {service}", f"{step}: the name {service}"),
        ),
        Broken(
            f"large packets lost in step {step}",
            step,
            machine,
            "ping -n -M do",
            failing("3 packets transmitted, 0 received"),
            (f"{step}: a ping of",),
        ),
        other_bytes(step, machine, network),
    ]


def other_bytes(step: str, machine: str, to: str) -> Broken:
    """What is sent by TCP does not arrive as it was; `to` begins the address, or is the name."""
    return Broken(
        f"other bytes arrive at {to} in step {step}",
        step,
        machine,
        f"nc -w 5 {to}",
        output("0000  -\n"),
        (f"{step}: 256 KiB sent by TCP to {to}",),
    )


def nothing_captured(step: str, *missed: str) -> list[Broken]:
    """Nothing passes on the underlay of one machine: these expectations are `missed`."""
    return [
        Broken(
            f"nothing captured on {machine} in step {step}",
            step,
            machine,
            CAPTURE,
            no_packets,
            tuple(f"{step}: {what}" for what in missed),
        )
        for machine in ("machine1", "machine2")
    ]


def container_stays(step: str, machine: str, service: str) -> Broken:
    """The step that removes the services."""
    return Broken(
        "a container stays", step, machine, f"%3D{service}", stays(), (f"{step}: no container",)
    )


def network_stays(step: str, name: str, there: str) -> Broken:
    """The step that removes the network; in the step `there` it was listed."""
    edit = as_in(there, NETWORKS)
    return Broken("the network stays", step, "machine2", NETWORKS, edit, (f"{step}: {name}",))
