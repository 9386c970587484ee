"""The atlas: what each of Docker's networks lets through, on one page made from records alone.

A row is a network of a scenario. Its cells are what the scenario's pings have shown, each with a
link to the step that sent them; the packet drawn is one of its captures.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from provision.support.files import write_atomic
from scenarios.evidence.layers import Layer, example
from scenarios.record.model import Capture, Ping, Record, Step, Task
from scenarios.record.throughput import Throughput
from scenarios.report import pages
from scenarios.report.findings import bare
from scenarios.report.text import middle

Where = Literal["same", "other", "between", "own machine", "other machine"]
COLUMNS: dict[Where, str] = {
    "same": "a container on the same machine",
    "other": "a container on another machine",
    "between": "a container in another network",
    "own machine": "its own machine",
    "other machine": "another machine",
}
_NO_EVIDENCE = "answered on the asking machine itself, which proves nothing"
_UNKNOWN = "\u2013"  # a dash


@dataclass(frozen=True)
class Cell:
    """Whether packets came through: by name or by address; `link` leads to the evidence."""

    state: Literal["seen", "missing", "partly", "unknown"]
    text: str
    link: str


@dataclass(frozen=True)
class Fact:
    """What a network does or costs; `link` leads to the step that has shown it, "" for none."""

    text: str
    link: str


@dataclass(frozen=True)
class Row:
    """One network of a scenario."""

    scenario: str
    name: str
    driver: str
    by_address: dict[Where, Cell]
    by_name: dict[Where, Cell]
    by_virtual_address: dict[Where, Cell]
    rtt: Fact
    mtu: Fact
    around: Fact
    encrypted: Fact
    link: str
    packet: tuple[Layer, ...] = ()
    packet_link: str = ""


@dataclass(frozen=True)
class Run:
    """One scenario as it ran, or why it did not."""

    name: str
    title: str
    verdict: str
    says: str
    link: str


@dataclass(frozen=True)
class Atlas:
    lab: str
    provider: str
    rows: list[Row]
    runs: list[Run]
    throughput: Throughput | None
    throughput_link: str = ""
    columns: dict[Where, str] = field(default_factory=lambda: dict(COLUMNS))


Source = tuple[Path, Record]  # a report's folder, and its record


def write_atlas(
    sources: Sequence[Source], folder: Path, measured: tuple[Path, Throughput] | None = None
) -> Path:
    """Write atlas.html into `folder`, and return the file. Nothing but reports is asked."""
    made = atlas(sources, folder, measured)
    return write_atomic(folder / "atlas.html", pages.compared("atlas.html.j2", {"atlas": made}))


def atlas(
    sources: Sequence[Source], folder: Path, measured: tuple[Path, Throughput] | None = None
) -> Atlas:
    """All that the page shows."""
    first = sources[0][1]
    return Atlas(
        lab=first.lab,
        provider=first.provider,
        rows=[row for source in sources for row in _rows(source, folder)],
        runs=[_run(source, folder) for source in sources],
        throughput=measured[1] if measured else None,
        throughput_link=_relative(measured[0] / "measure.html", folder) if measured else "",
    )


def _relative(file: Path, folder: Path, step: int | None = None) -> str:
    path = "/".join(map(quote, Path(os.path.relpath(file, folder)).parts))
    return path if step is None else f"{path}#step-{step}"


def _run(source: Source, folder: Path) -> Run:
    where, record = source
    says = "; ".join(record.missing)
    if not says:
        says = f"{record.count(True)} expectations passed, {record.count(False)} failed"
    link = _relative(where / "report.html", folder)
    return Run(record.scenario, record.title, record.verdict, says, link)


# -- a row ----------------------------------------------------------------------------------------


def _rows(source: Source, folder: Path) -> list[Row]:
    record = source[1]
    used = dict.fromkeys(task.network for task in record.topology.tasks)
    rows = [_row(source, folder, name) for name in used]
    return [row for row in rows if row.by_address or row.by_name or row.by_virtual_address]


def _row(source: Source, folder: Path, name: str) -> Row:
    where, record = source
    report = where / "report.html"
    tasks = [task for task in record.topology.tasks if task.network == name]
    sent = [
        (at, step, ping)
        for at, step in enumerate(record.steps, start=1)
        for ping in step.pings
        if _sender(record, ping, name)
    ]
    network = next((net for net in record.topology.networks if net.name == name), None)
    captured = [capture for _, capture in _captures(record, tasks)]
    packet, file = _packet(where, captured)
    crossing = [
        (at, ping)
        for at, _, ping in sent
        if ping.kind in {"task-address", "tasks-name"} and _where(record, ping, name) == "other"
    ]

    def shown(text: str, steps: Iterable[int]) -> Fact:
        """With the first of the steps that have shown it."""
        at = next(iter(steps), None)
        known = at is not None and text != _UNKNOWN
        return Fact(text, _relative(report, folder, at) if known else "")

    captures_at = [at for at, _ in _captures(record, tasks)]
    full_size_at = [at for at, _, ping in sent if ping.kind == "full-size"]
    return Row(
        scenario=record.scenario,
        name=name,
        driver=network.driver if network else name,
        by_address=_cells(record, sent, name, ("task-address",), report, folder),
        by_name=_cells(record, sent, name, ("tasks-name",), report, folder),
        by_virtual_address={
            where: replace(cell, state="unknown", text=_NO_EVIDENCE)
            for where, cell in _cells(record, sent, name, ("name",), report, folder).items()
        },
        rtt=shown(_rtt([ping for _, ping in crossing]), (at for at, _ in crossing)),
        mtu=shown(_mtu(record, name, captured), full_size_at),
        around=shown(_around(captured), captures_at),
        encrypted=shown(_encrypted(captured), captures_at),
        link=_relative(report, folder),
        packet=packet,
        packet_link=_relative(file, folder) if file else "",
    )


def _sender(record: Record, ping: Ping, network: str) -> bool:
    """Whether the ping came out of this network."""
    of_task = [task for task in record.topology.tasks if task.container == ping.source_task]
    if len(of_task) < 2:
        return any(task.network == network for task in of_task)
    # A task on several networks sends in that of the address it asks for.
    return _network_of(record, ping.address or ping.target) == network


def _network_of(record: Record, address: str) -> str:
    found = _owner(record, address)
    return found.network if found else ""


def _owner(record: Record, target: str) -> Task | None:
    """The container that has an address or a name."""
    for task in record.topology.tasks:
        if target in {bare(task.address), task.container, task.service}:
            return task
    return None


def _where(record: Record, ping: Ping, network: str) -> Where | None:
    """What was pinged, seen from who pings; None for itself and for what is not known."""
    target = ping.target
    owner = _owner(record, ping.address) or _owner(record, target)
    if owner and owner.container != ping.source_task:
        if owner.network != network:
            return "between"
        return "same" if owner.machine == ping.source_machine else "other"
    host = next((h.name for h in record.topology.hosts if bare(h.address) == target), None)
    if host is None:
        return None
    return "own machine" if host == ping.source_machine else "other machine"


def _cells(
    record: Record,
    sent: Iterable[tuple[int, Step, Ping]],
    network: str,
    kinds: tuple[str, ...],
    report: Path,
    folder: Path,
) -> dict[Where, Cell]:
    found: dict[Where, list[tuple[int, Ping]]] = {}
    for at, _, ping in sent:
        if ping.kind in kinds and (where := _where(record, ping, network)):
            found.setdefault(where, []).append((at, ping))
    return {
        where: Cell(
            _state([p for _, p in pings]), _said(pings), _relative(report, folder, pings[0][0])
        )
        for where, pings in found.items()
    }


def _state(pings: list[Ping]) -> Literal["seen", "missing", "partly"]:
    answered = [0 < ping.sent == ping.received for ping in pings]
    return "seen" if all(answered) else "partly" if any(answered) else "missing"


def _said(pings: list[tuple[int, Ping]]) -> str:
    sent = sum(ping.sent for _, ping in pings)
    received = sum(ping.received for _, ping in pings)
    return f"{received} of {sent} answered" if sent else "the name does not resolve"


def _rtt(pings: list[Ping]) -> str:
    """The median of what crossed, without the first round trip of each ping."""
    return middle([rtt for ping in pings for rtt in ping.rtts_ms[1:]]) if pings else _UNKNOWN


def _captures(record: Record, tasks: list[Task]) -> list[tuple[int, Capture]]:
    """The captures that were taken while containers of these sent, each with its step's place.

    A ping of a virtual address is answered on the asking machine: what is captured meanwhile says
    nothing of how the network carries packets.
    """
    own = {task.container for task in tasks}
    return [
        (at, capture)
        for at, step in enumerate(record.steps, start=1)
        if any(ping.source_task in own and ping.kind != "name" for ping in step.pings)
        for capture in step.captures
    ]


def _kinds(captures: list[Capture]) -> list[str]:
    """How the pings were carried, by the most packets first."""
    counts: dict[str, int] = {}
    for capture in captures:
        for flow in capture.counted():
            if flow.encapsulation and ("ICMP echo" in flow.inner or not flow.inner):
                counts[flow.encapsulation] = counts.get(flow.encapsulation, 0) + flow.packets
    return sorted(counts, key=lambda kind: -counts[kind])


def _around(captures: list[Capture]) -> str:
    if not captures:
        return _UNKNOWN
    kinds = _kinds(captures)
    return kinds[0] if kinds else "nothing leaves the machine"


def _encrypted(captures: list[Capture]) -> str:
    """By what could be read: where nothing was captured, nothing is said."""
    kinds = _kinds(captures)
    if not kinds:
        return _UNKNOWN
    flows = [flow for capture in captures for flow in capture.counted()]
    return "no" if any("ICMP echo" in flow.inner for flow in flows) else "yes"


def _mtu(record: Record, name: str, captures: list[Capture]) -> str:
    """The network's MTU where it was asked, and what is left of the underlay's."""
    network = next((net for net in record.topology.networks if net.name == name), None)
    if network is None or network.mtu is None:
        return _UNKNOWN
    machines = {capture.machine for capture in captures}
    under = [h.mtu for h in record.topology.hosts if h.mtu is not None and h.name in machines]
    cost = f", {min(under) - network.mtu} less than the underlay" if under else ""
    return f"{network.mtu}{cost}"


def _packet(where: Path, captures: list[Capture]) -> tuple[tuple[Layer, ...], Path | None]:
    for capture in captures:
        ports = [flow.outer_port for flow in capture.counted() if flow.encapsulation == "VXLAN"]
        file = where / capture.file
        if capture.total and file.exists():
            found = example(file, ports[0] if ports else None)
            if found:
                return found, file
    return (), None
