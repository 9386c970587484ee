"""Names the layer at which a run failed, and the likeliest cause, from its record alone.

Layers build on each other: where tasks do not start nothing can be pinged, and where small packets
do not cross no larger ones do. The lowest layer that failed is the one at fault.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import get_args

from scenarios.evidence.capture import crossings
from scenarios.record.model import (
    Capture,
    Diagnosis,
    Expectation,
    Host,
    Layer,
    Ping,
    Record,
    Step,
)

# From the lowest layer to the highest.
ORDER: tuple[Layer, ...] = get_args(Layer)[1:]  # the first one is none
VXLAN_BYTES = 50  # outer IPv4 and UDP headers, VXLAN's own, and the inner Ethernet header
# Words of errors, and what they mean. Sources: moby and swarmkit, the messages of their errors.
_ERRORS: tuple[tuple[str, Layer, str, str], ...] = (
    (
        r"No such image|pull access denied|manifest unknown",
        "task start",
        "a node does not have the service's image and cannot pull it",
        "Load it with [images] archives in lab.toml, or give the node access to the registry.",
    ),
    (
        r"address already in use|file exists",
        "task start",
        "the data path port is taken: something else on that host uses UDP {port}",
        "On the host, see who: sudo ss -lunp 'sport = :{port}'",
    ),
    (
        r"missing plugin",
        "task start",
        "a node does not have the network driver plugin, or it is disabled there",
        "Look at it: docker plugin ls",
    ),
    (
        r"no suitable node",
        "task start",
        "no node may take the task: it is drained or down, or the constraint matches none",
        "Look at the nodes: docker node ls",
    ),
    (
        r"does not answer|Cannot connect to the Docker daemon|Connection|no SSH|socket|SSHException"
        r"|EOFError",
        "engine",
        "a machine or its Docker Engine stopped answering",
        "Look at them: inv status",
    ),
)


def diagnose(record: Record) -> Diagnosis | None:
    """The layer and the likeliest cause; None for a run that passed or was interrupted."""
    if record.verdict not in ("failed", "error"):
        return None
    failed = [
        (step, one) for step in record.steps for one in step.expectations if one.passed is False
    ]
    layers = [one.layer for _, one in failed if one.layer]
    errors = [step for step in record.steps if step.state == "error"]
    if known := next(filter(None, (_of_error(step, record) for step in errors)), None):
        return known
    if errors and not layers:
        step = errors[0]
        cause = f"step {step.number} ended with an error: {step.reason}"
        return Diagnosis(layer="", cause=cause)
    if not layers:
        return _of_nothing_known(failed)
    layer = min(layers, key=ORDER.index)
    mine = [(step, one) for step, one in failed if one.layer == layer]
    return _of_layer(layer, mine, record)


def as_text(found: Diagnosis) -> str:
    """A diagnosis as lines for the terminal."""
    lines = [
        f"Failed at: {found.layer}" if found.layer else "Failed",
        f"Likely cause: {found.cause}",
    ]
    return "\n".join([*lines, *([f"  {found.advice}"] if found.advice else [])])


def _of_error(step: Step, record: Record) -> Diagnosis | None:
    """What the words of a step's error mean; None for words that are not known."""
    for pattern, layer, cause, advice in _ERRORS:
        if re.search(pattern, step.reason):
            port = _port(record)
            return Diagnosis(
                layer=layer, cause=cause.format(port=port), advice=advice.format(port=port)
            )
    return None


def _of_nothing_known(failed: list[tuple[Step, Expectation]]) -> Diagnosis | None:
    """What failed first, where it belongs to no layer of the path."""
    if not failed:
        return None
    step, first = failed[0]
    cause = f"step {step.number} saw something else than {first.what}"
    return Diagnosis(layer="", cause=cause)


def _of_layer(layer: Layer, failed: list[tuple[Step, Expectation]], record: Record) -> Diagnosis:
    first = failed[0][1]
    if layer == "small packet":
        return _small(record)
    if layer == "large packet":
        return _large(record)
    if layer == "TCP":
        return _tcp(record)
    causes: dict[Layer, tuple[str, str]] = {
        "task start": (
            f"a task does not run: {first.what}, seen {first.seen}",
            "Look at its errors: docker service ps --no-trunc SERVICE",
        ),
        "placement": (
            "the tasks run on one node, or not where their constraints say, so what they send each "
            "other need not cross",
            "Compare the constraint with the node's id: docker node inspect self -f '{{.ID}}'",
        ),
        "name": (
            "Docker's DNS server in the container does not know the name, or is not asked",
            "In the container, /etc/resolv.conf has to name 127.0.0.11.",
        ),
        "virtual address": (
            "the service's virtual address does not answer: the kernel's load balancer (IPVS) has "
            "no entry for the task, or its module is not loaded",
            "On the machine: sudo modprobe ip_vs",
        ),
    }
    cause, advice = causes[layer]
    return Diagnosis(layer=layer, cause=cause, advice=advice)


# -- small packets --------------------------------------------------------------------------------


def _small(record: Record) -> Diagnosis:
    """Where the pings or their replies were last seen, by the captures on both machines."""
    found = [_lost(record, step, ping) for step in record.steps for ping in step.pings]
    where = next((one for one in found if one), None)
    if where is None:
        some = any(ping.received for step in record.steps for ping in step.pings)
        cause = "packets are lost on the way" if some else "no reply to the pings arrives"
        where = (cause, "Look at the captures in the report.")
    return Diagnosis(layer="small packet", cause=where[0], advice=where[1])


def _lost(record: Record, step: Step, ping: Ping) -> tuple[str, str] | None:
    """The cause and advice for a ping of a task's address that was not answered each time."""
    there = next((t for t in record.topology.tasks if t.address == ping.target), None)
    here = next((t for t in record.topology.tasks if t.container == ping.source_task), None)
    if ping.kind != "task-address" or 0 < ping.sent == ping.received or not (here and there):
        return None
    captures = {capture.machine: capture for capture in step.captures}
    request = ("echo request", here.address, there.address)
    reply = ("echo reply", there.address, here.address)
    way = [(here.machine, request), (there.machine, request)]
    way += [(there.machine, reply), (here.machine, reply)]
    counts = [_count(captures.get(machine), message) for machine, message in way]
    return _where(record, counts, here.machine, there.machine)


def _count(capture: Capture | None, message: tuple[str, str, str]) -> int:
    return crossings(capture, *message, vni=None) if capture else 0


def _where(record: Record, counts: list[int], here: str, there: str) -> tuple[str, str]:
    """The first of the four places on the way (`counts`) which the ping did not reach."""
    port = _port(record)
    stops = (
        (
            f"nothing leaves {here}: a packet filter there drops UDP {port}, or its VXLAN "
            "interface is down",
            f"On {here}: sudo iptables -L OUTPUT -n -v",
        ),
        (
            f"UDP {port} (the swarm's data path) is dropped from {here} to {there}",
            f"Allow UDP {port} both ways in every firewall between the machines.",
        ),
        (
            f"the ping arrives on {there} and is not answered: a packet filter on {there} or in "
            "the task drops it",
            f"On {there}: sudo iptables -L INPUT -n -v",
        ),
        (
            f"UDP {port} (the swarm's data path) is dropped from {there} to {here}",
            f"Allow UDP {port} both ways in every firewall between the machines.",
        ),
    )
    for stop, count in zip(stops, counts, strict=True):
        if not count:
            return stop
    for stop, (before, after) in zip(stops[1:], pairwise(counts), strict=True):
        if after < before:
            return (f"packets are lost: {stop[0]}, though not all", stop[1])
    return (
        f"the replies arrive on {here} and do not reach the task: a packet filter on {here} or in "
        "the task drops them",
        f"On {here}: sudo iptables -L INPUT -n -v",
    )


def _port(record: Record) -> int:
    """The UDP port of the packets that were captured; without any, the one listened on."""
    captures = [capture for step in record.steps for capture in step.captures]
    flows = (flow for capture in captures for flow in capture.counted())
    asked = (re.search(r"\budp port (\d+)", capture.filter or "") for capture in captures)
    ports = (int(found[1]) for found in asked if found)
    # The registered one (RFC 7348), where nothing was captured at all.
    seen = next((flow.outer_port for flow in flows if flow.outer_port), 0)
    return seen or next(ports, 4789)


# -- large packets --------------------------------------------------------------------------------


def _large(record: Record) -> Diagnosis:
    pings = [ping for step in record.steps for ping in step.pings if ping.kind == "full-size"]
    size = max((ping.size or 0 for ping in pings), default=0)
    largest = min((ping.largest for ping in pings if ping.largest), default=0)
    if any(ping.largest == 0 for ping in pings):
        return Diagnosis(
            layer="large packet",
            cause="when full-size packets were sent, none of any size was answered: their size is "
            "not the cause, the way between the tasks was cut then",
            advice="docker node ls shows whether a node is Down; a machine that is too busy to be "
            "heard of is cut off from the overlay for a while",
        )
    narrow = [host for host in record.topology.hosts if host.mtu and host.mtu < size + VXLAN_BYTES]
    if narrow:
        cause = f"the MTU of the underlay is too small: {_named(narrow)}; packets of {size} bytes "
        cause += f"need {size + VXLAN_BYTES} with VXLAN around them"
        fits = min(host.mtu or 0 for host in narrow)
    elif largest:
        cause = f"between the machines, packets larger than {largest + VXLAN_BYTES} bytes are "
        cause += f"dropped: the MTU on the way is smaller than the {size + VXLAN_BYTES} needed"
        fits = largest + VXLAN_BYTES
    else:
        return Diagnosis(
            layer="large packet",
            cause=f"packets of {size} bytes do not cross, and no smaller ones were found that do",
            advice="Look at the underlay's MTU: ip link",
        )
    # The option is the MTU of the underlay: the engine takes VXLAN's bytes from it by itself.
    return Diagnosis(
        layer="large packet",
        cause=cause,
        advice=f"Raise it, or create the network with --opt com.docker.network.driver.mtu={fits}",
    )


def _named(hosts: list[Host]) -> str:
    return ", ".join(f"{host.name} has {host.mtu}" for host in hosts)


# -- TCP ------------------------------------------------------------------------------------------


def _tcp(record: Record) -> Diagnosis:
    interfaces = {c.machine: c.interface for s in record.steps for c in s.captures}
    lines = "; ".join(
        f"on {machine}: sudo ethtool -K {name} tx off" for machine, name in interfaces.items()
    )
    return Diagnosis(
        layer="TCP",
        cause="pings of any size cross but TCP does not: most often an interface that computes "
        "wrong checksums (checksum offload), else a packet filter that drops TCP",
        advice=f"Try {lines}" if lines else "Try sudo ethtool -K INTERFACE tx off on each machine",
    )
