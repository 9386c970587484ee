"""What was proven: the kinds of evidence that two machines reach each other.

A ping of a service's name is answered on the asking host itself (moby issues 24201 and 33770), so
it is shown beside these, never among them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from scenarios.record.model import Capture, Expectation, Flow, Ping, Record, Step
from scenarios.report.text import middle, plural, value

_ICMP = re.compile(r"ICMP echo (request|reply) (\S+) > ([^\s,]+)")

State = Literal["seen", "partly", "missing", "unknown"]


@dataclass(frozen=True)
class Fact:
    """One line of evidence: where, and what was seen there."""

    label: str
    seen: str


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence, whether it was seen, and what it proves."""

    title: str
    state: State
    facts: tuple[Fact, ...]
    proves: str
    limits: str
    optional: bool = False  # not every kernel and driver has it


def gather(record: Record) -> tuple[Evidence, ...]:
    """Every kind, in the order of the argument: each closes a gap that those before it leave."""
    return (
        _placement(record),
        _pings(record),
        _packets(record),
        _full_size(record),
        _tcp(record),
        _virtual_address(record),
    )


def recorded(*records: Record) -> list[tuple[Evidence, ...]]:
    """Each kind as it is in each of the records, but for an optional one that none recorded."""
    kinds = zip(*map(gather, records), strict=True)
    return [kind for kind in kinds if any(not e.optional or e.state != "unknown" for e in kind)]


def name_pings(record: Record) -> tuple[Fact, ...]:
    """Pings of a service's name: that the name resolved, and how many replies came."""
    return tuple(
        Fact(f"{ping.source_machine} → {ping.target}", replies(ping))
        for ping in all_pings(record)
        if ping.kind == "name"
    )


def all_pings(record: Record) -> list[Ping]:
    """Every ping of the run, in the order of the steps."""
    return [ping for step in record.steps for ping in step.pings]


def all_captures(record: Record) -> list[tuple[Step, Capture]]:
    """Every capture of the run with the step that took it."""
    return [(step, capture) for step in record.steps for capture in step.captures]


def replies(ping: Ping) -> str:
    """Such as "3 of 3 replies, median 1.1 ms"."""
    came = f"{ping.received} of {ping.sent} replies"
    return f"{came}, median {middle(ping.rtts_ms)}" if ping.rtts_ms else came


def machine_of(record: Record, address: str) -> str:
    """The machine whose task has `address`, or "" when no task of the picture has it."""
    return next(
        (t.machine for t in record.topology.tasks if bare(t.address) == bare(address)),
        "",
    )


def bare(address: str) -> str:
    """An address without its prefix length."""
    return address.partition("/")[0]


def encapsulation_seen(record: Record) -> str:
    """What was captured of the network on the underlay, such as "VXLAN, VNI 4097, UDP 4789".

    Empty when nothing of it was seen carrying ICMP.
    """
    for _, capture in all_captures(record):
        for flow in capture.counted():
            if _carries_ping(record, flow):
                return _kind(flow)
    return ""


def _placement(record: Record) -> Evidence:
    order = {host.name: at for at, host in enumerate(record.topology.hosts)}
    tasks = sorted(
        record.topology.tasks,
        key=lambda task: (order.get(task.machine, len(order)), task.machine, task.service),
    )
    machines = {task.machine for task in tasks}
    facts = [
        Fact(
            machine,
            "; ".join(f"{task.service} at {bare(task.address) or 'no address'}" for task in group),
        )
        for machine, group in groupby(tasks, key=lambda task: task.machine)
    ]
    return Evidence(
        "Tasks on different nodes",
        "unknown" if not tasks else "seen" if len(machines) > 1 else "missing",
        tuple(facts),
        "One task runs on each machine, so whatever passes between them has to cross hosts.",
        "That the machines reach each other: nothing was sent for this.",
    )


def _pings(record: Record) -> Evidence:
    return _answered(
        record,
        ("task-address", "tasks-name"),
        _target,
        title="Task addresses answer, both ways",
        proves="The address belongs to the other task alone, so the replies came from the other "
        "host.",
        limits="By which way they came: another route between the hosts would answer as well.",
    )


def _answered(
    record: Record,
    kinds: tuple[str, ...],
    named: Callable[[Ping], str],
    *,
    title: str,
    proves: str,
    limits: str,
) -> Evidence:
    """The evidence of those pings of these kinds that had to cross."""
    crossing = _crossing(record, kinds)
    return Evidence(
        title,
        _both_ways([(ping.source_machine, there, _whole(ping)) for ping, there in crossing]),
        tuple(
            Fact(f"{ping.source_machine} → {there}", f"{named(ping)}: {replies(ping)}")
            for ping, there in crossing
        ),
        proves,
        limits,
    )


def _crossing(record: Record, kinds: tuple[str, ...]) -> list[tuple[Ping, str]]:
    """The pings of these kinds that had to cross, each with the machine that it went to."""
    return [
        (ping, there)
        for ping in all_pings(record)
        if ping.kind in kinds
        and (there := machine_of(record, ping.address)) not in ("", ping.source_machine)
    ]


def _whole(ping: Ping) -> bool | None:
    """Whether every packet was answered; None where some were."""
    return True if 0 < ping.sent == ping.received else None if ping.received else False


def _both_ways(ways: list[tuple[str, str, bool | None]]) -> State:
    """The state of what was tried from one machine to another: whether it crossed, None in part."""
    if not ways:
        return "unknown"
    pairs = {(here, there) for here, there, _ in ways}
    if all((there, here) in pairs for here, there in pairs) and all(ok for *_, ok in ways):
        return "seen"
    return "missing" if all(ok is False for *_, ok in ways) else "partly"


def _full_size(record: Record) -> Evidence:
    return _answered(
        record,
        ("full-size",),
        _sized,
        title="Full-size packets cross unfragmented",
        proves="Packets as large as the network allows arrive whole (DF was set): the underlay has "
        "room for them and for the encapsulation around them.",
        limits="That data arrives unchanged: an interface that computes wrong checksums breaks TCP "
        "and lets pings through.",
    )


def _sized(ping: Ping) -> str:
    sized = f"{_target(ping)}, {ping.size} bytes"
    if ping.largest is None:
        return sized
    return f"{sized} (the largest answered: {ping.largest or 'none of any size'})"


def _tcp(record: Record) -> Evidence:
    sent = [
        (one, there)
        for one in _judged(record, "TCP")
        if (there := _machine_in(record, one.what)) not in ("", one.machine)
    ]
    return Evidence(
        "TCP carries data unchanged, both ways",
        _both_ways([(one.machine, there, one.passed is True) for one, there in sent]),
        tuple(Fact(f"{one.machine} → {there}", _outcome(one)) for one, there in sent),
        "A connection from task to task carries packets of any size, with checksums that hold.",
        "How fast it is, or that it lasts: the transfer is short.",
    )


def _virtual_address(record: Record) -> Evidence:
    """A transfer to the service's name; a ping of it is answered on the asking host itself."""
    sent = [one for one in _judged(record, "virtual address") if one.source == "command"]
    passed = [one.passed for one in sent if one.passed is not None]
    state: State = "unknown"
    if passed:
        state = "seen" if all(passed) else "partly" if any(passed) else "missing"
    return Evidence(
        "The virtual address takes TCP to the task",
        state,
        tuple(Fact(one.machine, _outcome(one)) for one in sent),
        "The kernel's load balancer (IPVS) takes a connection to the service's name to its task.",
        "That several tasks share connections: this service has one.",
        optional=True,
    )


def _judged(record: Record, layer: str) -> list[Expectation]:
    return [one for step in record.steps for one in step.expectations if one.layer == layer]


def _machine_in(record: Record, what: str) -> str:
    """The machine whose task's address is in a text, "" where there is none."""
    return next(filter(None, (machine_of(record, word) for word in what.split())), "")


def _outcome(one: Expectation) -> str:
    if one.passed is None:
        return f"skipped: {one.skipped}"
    return one.what if one.passed else f"{one.what}: {value(one.seen)}"


def _packets(record: Record) -> Evidence:
    """Seen only where every machine of the pair captured requests and replies, both ways."""
    captures = [capture for _, capture in all_captures(record)]
    facts: list[Fact] = []
    seen: dict[str, set[tuple[str, str, str]]] = {}
    for capture in captures:
        mine = [flow for flow in capture.counted() if _carries_ping(record, flow)]
        messages = {found for flow in mine for found in _ICMP.findall(flow.inner)}
        seen.setdefault(capture.machine, set()).update(messages)
        facts.append(Fact(f"{capture.machine}, {capture.interface}", _captured(capture, mine)))
    state: State
    if not captures:
        state = "unknown"
    elif _complete(record, seen):
        state = "seen"
    elif any(capture.total for capture in captures):
        state = "partly"
    else:
        state = "missing"
    return Evidence(
        "Encapsulated packets on the underlay",
        state,
        tuple(facts),
        "The pings crossed the wire between the hosts inside this very network's encapsulation.",
        "That everything takes this way: a capture shows what passed while it ran.",
    )


def _complete(record: Record, seen: dict[str, set[tuple[str, str, str]]]) -> bool:
    """Whether both machines of each pinged pair saw requests and replies, in both directions."""
    machine = {bare(task.address): task.machine for task in record.topology.tasks if task.address}
    own = {task.container: bare(task.address) for task in record.topology.tasks}
    pings = [ping for ping in all_pings(record) if ping.kind == "task-address"]
    pairs = {(own.get(ping.source_task, ""), bare(ping.address or ping.target)) for ping in pings}
    pairs = {pair for pair in pairs if len({machine.get(end) for end in pair}) == 2}
    pairs |= {(there, here) for here, there in pairs}
    return bool(pairs) and all(
        {("request", here, there), ("reply", there, here)} <= seen.get(machine.get(end, ""), set())
        for here, there in pairs
        for end in (here, there)
    )


def _captured(capture: Capture, mine: list[Flow]) -> str:
    caught = plural(capture.total, "packet")
    flows = capture.counted()
    if not flows:
        return caught
    kinds = Counter(_kind(flow) for flow in mine or flows)
    named = "; ".join(kinds)
    number = sum(flow.packets for flow in flows)
    carry = f"{sum(flow.packets for flow in mine)} of {number} carry ICMP"
    if not mine and any(map(_is_encrypted, flows)):
        carry = "what they carry cannot be read"
    return f"{caught}: {named}; {carry}"


def _is_encrypted(packet: Flow) -> bool:
    # As drivers name what they encrypt; ESP is IPsec's (RFC 4303).
    return not packet.inner and packet.encapsulation.startswith(("ESP", "encrypted"))


def _carries_ping(record: Record, packet: Flow) -> bool:
    """Whether it is the network's own encapsulation, by its VNI where it is known, around ICMP
    between two tasks of the run.

    A driver without a VNI (Weave's sleeve) is known by its encapsulation's name alone.
    """
    used = {task.network for task in record.topology.tasks}
    vnis = {net.vni for net in record.topology.networks if net.name in used and net.vni is not None}
    tasks = {bare(task.address) for task in record.topology.tasks} - {""}
    between = tasks.intersection(word.strip(",") for word in packet.inner.split())
    return "ICMP" in packet.inner and len(between) == 2 and (not vnis or packet.vni in vnis)


def _kind(packet: Flow) -> str:
    vni = "" if packet.vni is None else f"VNI {packet.vni}"
    name = packet.encapsulation or "not decoded"
    port = f"UDP {packet.outer_port}" if packet.outer_port else ""
    return ", ".join(part for part in (name, vni, port) if part)


def _target(ping: Ping) -> str:
    return ping.target if ping.target == ping.address else f"{ping.target} ({ping.address})"
