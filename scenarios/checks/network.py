"""Judgements that scenarios of any network driver share: placement, addresses, crossings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from operator import not_
from typing import Any

from provision.machine.machine import Machine
from provision.support.wait import wait_until
from scenarios.checks import kernel, path
from scenarios.checks.path import End
from scenarios.evidence.capture import crossings
from scenarios.evidence.encapsulation import Encapsulation, vxlan
from scenarios.kit.step import Step, StepFailed
from scenarios.record import model

NAME_PROVES = (
    "Name resolution, and that the service's virtual address answers on the asking host. "
    "It does not prove that anything crossed to the other host."
)
ADDRESS_PROVES = "The other task answers, and it runs on another node: the network spans hosts."
CAPTURE_PROVES = "The packets left this host encapsulated, in this network and no other."
ENCRYPTED_PROVES = (
    "While the ping ran, the driver's encrypted packets passed between the hosts, and none of them "
    "could be read. It does not prove that they carried this ping: that is what encryption hides."
)
LASTS = 0.5  # seconds
PLACEMENT_PROVES = "What the two tasks say to each other has to cross from host to host."


def subnets(network: dict[str, Any]) -> list[str]:
    """The subnets of an inspected network (IPAM.Config)."""
    return [config["Subnet"] for config in (network.get("IPAM") or {}).get("Config") or []]


def gateways(network: dict[str, Any]) -> list[str]:
    """The gateways of an inspected network (IPAM.Config)."""
    configs = (network.get("IPAM") or {}).get("Config") or []
    return [config["Gateway"] for config in configs if config.get("Gateway")]


def vni_of(network: dict[str, Any]) -> int | None:
    """The VXLAN network identifier that the swarm gave an overlay network (RFC 7348, 24 bits)."""
    listed = (network.get("Options") or {}).get("com.docker.network.driver.overlay.vxlanid_list")
    return int(str(listed).split(",", maxsplit=1)[0]) if listed else None


def remember_network(
    step: Step, network: dict[str, Any], vni: Callable[[dict[str, Any]], int | None] = vni_of
) -> None:
    """Note the network in the topology, and its VNI for the captures, as its driver gives it."""
    if not network:
        raise StepFailed("the network does not exist")
    config = ((network.get("IPAM") or {}).get("Config") or [{}])[0]
    number = vni(network)
    step.context.topology.networks.append(
        model.Network(
            name=network["Name"],
            id=network["Id"],
            driver=network["Driver"],
            scope=network["Scope"],
            subnet=config.get("Subnet", ""),
            gateway=config.get("Gateway", ""),
            vni=number,
        )
    )
    if number is not None:
        step.remember(vni=str(number))


def expect_one_task(step: Step, service: str, on: str) -> None:
    """The service has one running task, on the node where it was to be placed."""
    tasks = step.running_tasks(service)
    machine = step.context.machines[on]
    node = machine.docker.info()["Swarm"]["NodeID"]
    step.expect(f"{service} has one running task", expected=1, seen=len(tasks), layer="task start")
    step.expect(
        f"the task of {service} is on {machine.name}",
        expected=[node],
        seen=[task["NodeID"] for task in tasks],
        proves=PLACEMENT_PROVES,
        layer="placement",
    )
    if not step.acted:
        _expect_lasting(step, service, machine)


def _expect_lasting(step: Step, service: str, machine: Machine) -> None:
    """The service's container has been running for a moment.

    `docker service create` waits for that itself. A shell without a terminal ends at once, and the
    swarm starts it again and again: between two looks it may seem to run.
    """
    now = _moment(str(machine.docker.info()["SystemTime"]))
    found = step.containers(service, machine)
    ages = [(now - _moment(one["State"]["StartedAt"])).total_seconds() for one in found]
    step.expect(
        f"its container has been running for {LASTS} s or more",
        expected=f"{LASTS} s or more",
        seen=f"{max(ages):.1f} s" if ages else "no container runs",
        passed=bool(ages) and max(ages) >= LASTS,
        machine=machine,
        layer="task start",
    )


def _moment(text: str) -> datetime:
    """A time of the Engine API: RFC 3339 with up to nine digits of the second."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def expect_created(
    step: Step, network: dict[str, Any], driver: str, subnet: str, gateway: str = ""
) -> None:
    """The network was created, with the driver, the subnet (and the gateway) given."""
    if step.acted:
        step.expect(
            "the command prints the network's id", expected=network.get("Id"), seen=step.output
        )
    step.expect(
        "the network's driver is the one given", expected=driver, seen=network.get("Driver")
    )
    asked, seen = [subnet], subnets(network)
    if gateway:
        asked, seen = [*asked, gateway], [*seen, *gateways(network)]
    step.expect(
        f"the network has the subnet{' and the gateway' if gateway else ''} given in the command",
        expected=asked,
        seen=seen,
    )


def expect_listed(step: Step, network: dict[str, Any], driver: str) -> None:
    """The network is one of the swarm's, with this driver."""
    step.expect("driver", expected=driver, seen=network.get("Driver"))
    step.expect("scope", expected="swarm", seen=network.get("Scope"))


def expect_same_network(step: Step, name: str) -> dict[str, Any]:
    """The network on this step's machine has the id that it has on the manager."""
    here, there = step.network(name), step.network(name, step.context.manager)
    step.expect(
        "the network has the same id as on the first host",
        expected=there.get("Id"),
        seen=here.get("Id"),
    )
    step.keep(f"network {name}", here)
    return here


def remember_task(step: Step, service: str, as_name: str, network: str) -> str:
    """Remember the one container of a service on this machine, and its address."""
    found = step.containers(service)
    names = [container["Name"].lstrip("/") for container in found]
    step.expect(
        f"one container of {service} runs here", expected=1, seen=len(found), layer="placement"
    )
    if step.acted:
        step.expect(
            "`docker ps` shows it",
            expected=True,
            seen=bool(names) and names[0] in step.output,
            source="command",
        )
    return remember_container(step, found, service, as_name, network, step.machine)


def remember_container(
    step: Step,
    found: list[dict[str, Any]],
    service: str,
    as_name: str,
    network: str,
    machine: Machine,
) -> str:
    """Remember the first of a service's containers that were found on a machine, and its address.

    Returns its name. Raises StepFailed where there is none.
    """
    if not found:
        raise StepFailed(f"no container of {service} runs on {machine.name}")
    name = str(found[0]["Name"]).lstrip("/")
    address = address_in(found[0], step.called(network))
    step.remember(**{as_name: name, as_name.replace("task", "address"): address})
    step.context.topology.tasks.append(
        model.Task(
            service=service,
            container=name,
            machine=machine.name,
            network=network,
            address=address,
        )
    )
    return name


def expect_address(step: Step, service: str, network: str, subnet: str) -> None:
    """The service's container on this machine has an address inside the network's subnet."""
    found = step.containers(service)
    if not found:
        raise StepFailed(f"no container of {service} runs on {step.machine.name} any more")
    step.keep(f"container {service}", found[0])
    address = address_in(found[0], step.called(network))
    step.expect(
        f"its address in {network} is inside {subnet}",
        expected=f"an address of {subnet}",
        seen=address or "no address",
        passed=bool(address) and IPv4Address(address) in IPv4Network(subnet),
    )


def address_in(container: dict[str, Any], network: str, key: str = "IPAddress") -> str:
    """A container's address in a network, as its engine has it; "" for none."""
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return str((networks.get(network) or {}).get(key) or "")


def expect_name_is_task(step: Step, task: str, service: str, address: str) -> None:
    """The service's name resolves to the task's own address (dnsrr), and replies come from there.

    `task` and `address` name what was remembered. Source: `docker service create` reference,
    `--endpoint-mode dnsrr`.
    """
    ping = step.ping(step.names[task], step.called(service), "tasks-name")
    step.expect(
        f"the name {service} resolves to its task's own address",
        expected=step.names[address],
        seen=ping.address or "it did not resolve",
        source="ping",
        proves=ADDRESS_PROVES,
        layer="name",
    )
    expect_replies(step, ping, f"replies arrive from {service}", ADDRESS_PROVES, "small packet")


def expect_name_answers(step: Step, task: str, service: str) -> None:
    """As in the exercise: the service's name resolves to its virtual address, and replies come.

    Where the kernel has no IPVS, no such address answers: the replies are skipped.
    """
    # What answers is on the asking host itself: it does so at once, or never.
    ping = step.ping(task, step.called(service), "name", wait=1)
    virtual = virtual_addresses(step, service)
    step.expect(
        f"the name {service} resolves to the service's virtual address",
        expected=virtual,
        seen=ping.address or "it did not resolve",
        passed=ping.address in virtual,
        source="ping",
        proves=NAME_PROVES,
        layer="name",
    )
    what = f"replies arrive from {service}"
    if not ping.received and (why := kernel.without_ipvs(step.machine)):
        step.skip(
            what,
            why,
            expected=_replies(ping.sent or 3),
            seen=_replies(ping.received),
            source="ping",
            proves=NAME_PROVES,
            layer="virtual address",
        )
        return
    expect_replies(step, ping, what, NAME_PROVES, "virtual address")


def virtual_addresses(step: Step, service: str, network: dict[str, Any] | None = None) -> list[str]:
    """A service's virtual addresses, in an inspected network or in all of its networks."""
    attrs = step.context.manager.docker.services.get(step.called(service)).attrs
    return [
        ip["Addr"].split("/")[0]
        for ip in (attrs.get("Endpoint") or {}).get("VirtualIPs") or []
        if network is None or ip["NetworkID"] == network.get("Id")
    ]


def _replies(number: int) -> str:
    return f"{number} replies"


def expect_replies(
    step: Step, ping: model.Ping, what: str, proves: str, layer: model.Layer
) -> None:
    """Every ping that was sent was answered, and at least one was sent."""
    step.expect(
        what,
        expected=_replies(ping.sent or 3),
        seen=_replies(ping.received),
        passed=ping.sent > 0 and ping.received == ping.sent,
        source="ping",
        proves=proves,
        layer=layer,
    )


def swarm_vxlan(step: Step) -> Encapsulation:
    """How the swarm's own overlay networks carry packets: VXLAN on the swarm's data path port."""
    return vxlan(step.context.data_path_port)


def expect_path(step: Step, way: str, network: str, how: Encapsulation, service: str = "") -> None:
    """Small packets, large packets and TCP cross from one task to the other.

    `way` is such as "2>1": from the task on machine2 to the one on machine1; with a `service`,
    TCP goes to its virtual address as well. Where no small packet crosses, the rest is not tried.
    """
    here, there = (path.end(step, number) for number in way.split(">"))
    if expect_crossing(step, here, there, how):
        path.expect_any_size(step, here, there, network, service)


def expect_crossing(step: Step, here: End, there: End, how: Encapsulation) -> bool:
    """A ping of the other task's own address is answered, and is seen on both underlays.

    Every capture must hold echo requests and replies between the two addresses, inside the
    network's encapsulation: a reply alone could have come from anywhere. Returns whether any reply
    arrived.
    """
    own, other = here.address, there.address
    vni = _vni(step) if how.vni_tells_network else None
    with step.capturing(how, vni) as captures:
        ping = step.ping(here.task, other, "task-address")
    expect_replies(
        step, ping, f"the task's own address {other} answers", ADDRESS_PROVES, "small packet"
    )
    if how.encrypted:
        _expect_unreadable(step, captures, how, (own, other), ping.sent or 3)
    else:
        _expect_seen(step, captures, how, (own, other), vni)
    return ping.received > 0


def _expect_seen(
    step: Step,
    captures: list[model.Capture],
    how: Encapsulation,
    addresses: tuple[str, str],
    vni: int | None,
) -> None:
    """Every capture holds the pings' requests and replies, in the network's encapsulation."""
    own, other = addresses
    inside = f"{how.name} with VNI {vni}" if vni is not None else how.name
    for capture in captures:
        machine = step.context.named(capture.machine)
        for kind, start, end in (("echo request", own, other), ("echo reply", other, own)):
            seen = crossings(capture, kind, start, end, vni)
            step.expect(
                f"{inside} carries ICMP {kind} {start} > {end} on {capture.interface}",
                expected="1 packet or more",
                seen=f"{seen} of {capture.total} captured packets",
                passed=seen > 0,
                source="capture",
                proves=CAPTURE_PROVES,
                machine=machine,
                layer="small packet",
            )


def _vni(step: Step) -> int:
    if "vni" not in step.names:
        raise StepFailed("the network's VNI is not known, so its packets cannot be recognized")
    return int(step.names["vni"])


def _expect_unreadable(
    step: Step,
    captures: list[model.Capture],
    how: Encapsulation,
    addresses: tuple[str, str],
    sent: int,
) -> None:
    """Encrypted packets passed both ways, as many as were sent at least, and none can be read."""
    hosts = [machine.address for machine in step.context.machines.values()]
    for capture in captures:
        machine = step.context.named(capture.machine)
        for start, end in ((hosts[0], hosts[1]), (hosts[1], hosts[0])):
            seen = sum(
                flow.packets
                for flow in capture.counted()
                if flow.encapsulation
                and not flow.inner
                and (flow.outer_source, flow.outer_destination) == (start, end)
            )
            step.expect(
                f"{how.name} passes {start} > {end} on {capture.interface}",
                expected=f"{sent} packets or more, as many as were pinged",
                seen=f"{seen} of {capture.total} captured packets",
                passed=seen >= sent,
                source="capture",
                proves=ENCRYPTED_PROVES,
                machine=machine,
                layer="small packet",
            )
        read = sum(
            flow.packets
            for flow in capture.counted()
            if all(address in flow.inner for address in addresses)
        )
        step.expect(
            f"nothing between {addresses[0]} and {addresses[1]} can be read on {capture.interface}",
            expected=0,
            seen=read,
            source="capture",
            proves=ENCRYPTED_PROVES,
            machine=machine,
        )


def expect_no_containers(step: Step, services: Sequence[str], patience: float = 60) -> None:
    """No container of the services is left on any node; a stopping one is waited for."""

    def left() -> list[str]:
        return [
            container["Name"]
            for machine in step.context.machines.values()
            for service in services
            for container in step.containers(service, machine)
        ]

    seen = wait_until(left, not_, step.context.patience(patience))
    if step.acted:
        for machine in step.context.machines.values():
            step.run("docker ps", on=machine)
    step.expect("no container of the services runs on any node", expected=[], seen=seen)


def expect_no_network(step: Step, network: str, patience: float = 60) -> None:
    """The network is gone on every node."""

    def left() -> list[str]:
        return [m.name for m in step.context.machines.values() if step.network(network, m)]

    seen = wait_until(left, not_, step.context.patience(patience))
    step.expect(f"{network} is gone on every node", expected=[], seen=seen)
