"""The record of one run: plain data, the only thing that reports are made from.

Times are ISO 8601 in UTC, durations are seconds, round-trip times are milliseconds. The shape is
published as a JSON Schema (docs/report.schema.json); `SCHEMA_VERSION` goes up when it changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1.5"

StepState = Literal["passed", "failed", "skipped", "error"]
Verdict = Literal["passed", "failed", "error", "interrupted", "skipped"]
Layer = Literal[
    "",
    "engine",
    "task start",
    "placement",
    "name",
    "small packet",
    "large packet",
    "TCP",
    "virtual address",
]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Command(_Data):
    """A command line that was run for real on a machine, as a person would have typed it."""

    machine: str
    command: str
    stdout: str
    stderr: str
    exit_code: int | None = Field(
        description="null when the command was stopped by a limit, or `typed`"
    )
    started: str
    seconds: float
    typed: bool = Field(
        False,
        description="a learner has typed it in a terminal of the page: how it ended and what it "
        "printed is not known",
    )


class Expectation(_Data):
    """One thing that had to be seen, and what was seen."""

    what: str = Field(description="what had to be seen, in words")
    expected: Any
    seen: Any
    passed: bool | None = Field(description="null where it was skipped")
    source: str = Field(description='where it was seen: "Engine API", "ping", "capture", "command"')
    machine: str = ""
    proves: str = Field("", description="what this shows, and what it does not show")
    layer: Layer = Field("", description="which layer of the path this judges, if it judges one")
    skipped: str = Field(
        "", description="why no network could have met it here: what the machine's kernel lacks"
    )


class Ping(_Data):
    """One ping run inside a container. `rtts_ms` holds a value for each reply that arrived."""

    source_machine: str
    source_task: str
    target: str = Field(description="what was pinged, as typed")
    address: str = Field(description="the address that answered to it")
    kind: Literal["name", "task-address", "tasks-name", "full-size"]
    sent: int
    received: int
    rtts_ms: list[float]
    size: int | None = Field(None, description="bytes of the IP packet, where it was full-size")
    largest: int | None = Field(
        None,
        description="the largest IP packet answered, where a full-size one was not; 0: none",
    )


class Packet(_Data):
    """One captured frame of the encapsulation on the underlay, and what it carried."""

    at: float = Field(description="seconds since the capture's first packet")
    outer_source: str
    outer_destination: str
    outer_port: int = Field(description="UDP destination port, such as 4789 for VXLAN")
    encapsulation: str = Field(description='"VXLAN" or the driver\'s own, such as "weave sleeve"')
    vni: int | None = None
    inner: str = Field(
        "", description='what was inside, such as "ICMP echo request 172.45.0.3 > …"'
    )


class Flow(_Data):
    """Captured packets that differ in time only, and how many of them there were."""

    outer_source: str
    outer_destination: str
    outer_port: int
    encapsulation: str
    vni: int | None = None
    inner: str = ""
    packets: int


class Capture(_Data):
    """What was seen on a machine's underlay interface while something else ran."""

    machine: str
    interface: str
    filter: str
    file: str = Field(description="the pcap, relative to the report's folder")
    total: int = Field(
        description="packets that matched the filter; `packets` holds the first ones"
    )
    packets: list[Packet]
    flows: list[Flow] = Field([], description="all packets that matched, counted: what is judged")

    def counted(self) -> list[Flow]:
        """All packets as flows; those of a report without flows are the packets that it has."""
        return self.flows or count(self.packets)


def count(packets: Iterable[Packet]) -> list[Flow]:
    """Packets as flows, in the order in which each flow was first seen."""
    counted = Counter(
        (p.outer_source, p.outer_destination, p.outer_port, p.encapsulation, p.vni, p.inner)
        for p in packets
    )
    return [
        Flow(
            outer_source=source,
            outer_destination=destination,
            outer_port=port,
            encapsulation=encapsulation,
            vni=vni,
            inner=inner,
            packets=number,
        )
        for (source, destination, port, encapsulation, vni, inner), number in counted.items()
    ]


class Document(_Data):
    """An inspect document or other raw output that was kept, relative to the report's folder."""

    title: str
    machine: str
    file: str


class Step(_Data):
    """One step of the exercise, acted and judged."""

    number: str = Field(
        description='the exercise\'s own number, such as "14"; "evidence" beside it'
    )
    title: str
    why: str = Field(description="a line of explanation for the reader")
    machines: list[str]
    book: str = Field("", description="the command as the book prints it")
    state: StepState
    reason: str = Field("", description="why it was skipped, or the error in one or two lines")
    started: str = ""
    seconds: float = 0.0
    commands: list[Command] = []
    expectations: list[Expectation] = []
    pings: list[Ping] = []
    captures: list[Capture] = []
    documents: list[Document] = []


class Host(_Data):
    name: str
    role: str
    address: str = Field(description="on the underlay")
    engine: str = Field(description="Docker Engine version")
    api: str
    system: str
    kernel: str
    mtu: int | None = Field(None, description="of the underlay's interface, where it was asked")


class Network(_Data):
    name: str
    id: str
    driver: str
    scope: str
    subnet: str = ""
    gateway: str = ""
    vni: int | None = None
    mtu: int | None = Field(None, description="of a task's interface in it, where it was asked")


class Task(_Data):
    service: str
    container: str
    machine: str
    network: str
    address: str


class Topology(_Data):
    """What the picture of the report is drawn from, as it stood when everything ran."""

    hosts: list[Host]
    networks: list[Network] = []
    tasks: list[Task] = []


class Diagnosis(_Data):
    """The layer at which a run failed, and the likeliest cause."""

    layer: Layer
    cause: str
    advice: str = ""


class Fault(_Data):
    """A fault that was made on purpose while the scenario ran."""

    kind: str = Field(description='such as "partition"')
    what: str = Field(description="in words")
    machines: list[str] = Field(description="where something was done")
    step: str = Field("", description="the number of the step that made it")
    begin: str
    end: str = Field("", description="when it was healed; empty where the run ended before that")
    healed: Literal["", "step", "timer"] = Field(
        "", description="who healed it: the step, or the timer on the machine because it took long"
    )


LaneKind = Literal[
    "fault", "leader", "manager", "reachability", "node", "availability", "engine", "task", "ping"
]


class Span(_Data):
    """A state, and when it was there. Nobody sees it change: it is seen before and after that.

    The state began between `after` and `by`, and was last seen at `last`. The next span's `after`
    is this one's `last`.
    """

    state: str
    detail: str = Field("", description="of the first look: such as the error")
    after: float | None = Field(
        description="the earliest moment at which it can have begun: the begin of the last look "
        "that saw another state; null where it was so at the first look"
    )
    by: float = Field(description="the latest: the end of the first look that saw it")
    last: float = Field(description="the begin of the last look that saw it")
    looks: int = Field(1, description="how many looks saw it; of a ping how many packets")


class Lane(_Data):
    """The states of one thing in the order in which they were seen."""

    kind: LaneKind
    subject: str = Field(description='such as "machine2", "web.1", "task1 to address2"')
    id: str = Field("", description="of a task, the begin of its id")
    machine: str = Field("", description="where the task is, or where the ping comes from")
    about: str = Field("", description="the fault in words, the address that is pinged")
    spans: list[Span] = []


class TimeLine(_Data):
    """What changed while a step ran, on one axis: seconds since `started`.

    All times are of the controlling host's clock, those of its looks: no machine's clock is read.
    """

    step: str = Field("", description="the number of the step")
    started: str
    seconds: float
    pause: float = Field(description="seconds between two looks")
    limit: float = Field(description="seconds after which what has not answered does not answer")
    lanes: list[Lane] = []
    notes: list[str] = Field([], description="what could not be seen, and why")


class Record(_Data):
    """A whole run."""

    schema_version: Literal["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"] = "1.5"
    scenario: str
    exercise: str
    title: str
    summary: str
    lab: str
    provider: str
    image: str = Field(description="the image that the services ran")
    notes: list[str] = Field([], description="choices that were made, and why")
    versions: dict[str, str] = Field({}, description="tools on the controlling host")
    started: str
    seconds: float
    verdict: Verdict
    missing: list[str] = Field(
        [], description="what the lab lacks, for which the whole scenario was skipped"
    )
    diagnosis: Diagnosis | None = Field(None, description="null for a run that passed")
    topology: Topology
    steps: list[Step]
    faults: list[Fault] = Field([], description="faults that were made on purpose")
    timelines: list[TimeLine] = Field([], description="what changed while steps ran, and when")

    def count(self, passed: bool) -> int:
        """How many expectations passed (or failed)."""
        return sum(e.passed is passed for step in self.steps for e in step.expectations)

    def skipped(self) -> list[str]:
        """Why each expectation that was skipped was not judged."""
        found = (e for step in self.steps for e in step.expectations)
        return [e.skipped for e in found if e.passed is None]
