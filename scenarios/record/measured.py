"""The record of one measurement: plain data, the only thing that its pages are made from.

Times are ISO 8601 in UTC, durations are seconds, round-trip times are milliseconds. The shape is
published as a JSON Schema (docs/measure.schema.json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provision.support.files import write_atomic
from scenarios.record.model import Host

SCHEMA_VERSION = "1.0"
FILE = "measure.json"

Verdict = Literal["measured", "error", "interrupted"]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Way(_Data):
    """One driver as it was measured, and the way that its packets took."""

    name: str = Field(description='as it was asked for; the second one of a name is "host (2)"')
    driver: str = Field(description="the network's driver, as the engine calls it")
    source: str = Field(description="the container that sends, and its machine")
    target: str = Field(description="where it sends to: address and TCP port")
    path: list[str] = Field(description="what a packet passes, from container to container")
    pinged: str = Field(description="what was pinged, and who answers")


class Sample(_Data):
    """What one driver did in one round."""

    round: int = Field(description="counted from 1")
    driver: str
    started: str
    seconds: float = Field(description="for how long iperf3 has sent")
    bits: float = Field(description="that arrived, without headers")
    bits_per_second: float = Field(description="that arrived, without headers")
    retransmits: int = Field(description="TCP segments that were sent again")
    segment: int = Field(description="bytes of data in a full TCP segment")
    loaded_rtt_ms: float = Field(description="TCP's own mean round-trip time while it sent")
    rtts_ms: list[float] = Field(description="of the pings, with nothing else sent by this lab")
    pings: int = Field(description="how many were sent")
    cpu_seconds: dict[str, float] = Field(
        description="that the machines' CPUs were busy while iperf3 ran, whatever with; machines "
        "that share one kernel are one entry"
    )


class Interval(_Data):
    """A median over the rounds, and its bootstrap interval (99 %)."""

    median: float
    low: float
    high: float


class Summary(_Data):
    """One driver over all rounds."""

    driver: str
    bits_per_second: Interval
    rtt_ms: Interval | None = Field(None, description="null where a round had no reply")
    loaded_rtt_ms: Interval
    cpu_seconds_per_gigabit: Interval
    retransmits_per_gigabit: Interval
    lost_pings: int


class Comparison(_Data):
    """A driver against the first one, by the ratio within each round."""

    driver: str
    against: str
    bits_per_second: Interval
    rtt: Interval | None = None
    cpu_seconds_per_gigabit: Interval | None = None
    verdict: Literal["slower", "faster", "no difference shown"] = Field(
        description="by the throughput: whether the interval of the ratio leaves out 1"
    )
    words: str = Field(description="the verdict in one line")


class Results(_Data):
    drivers: list[Summary]
    pairs: list[Comparison]


class Measurement(_Data):
    """A whole measurement."""

    schema_version: Literal["1.0"] = "1.0"
    lab: str
    provider: str
    image: str = Field(description="the image of the containers")
    notes: list[str] = []
    versions: dict[str, str] = Field({}, description="tools on the controlling host")
    iperf3: dict[str, str] = Field({}, description="its version, by machine")
    hosts: list[Host] = Field(description="the two machines: what sends, what receives")
    emulated: bool = Field(
        description="whether QEMU emulates a machine's CPUs: then the values in themselves mean "
        "nothing, and only ratios are shown"
    )
    one_kernel: bool = Field(description="whether the machines share one kernel (containers)")
    seed: int = Field(description="of the drivers' order and of the bootstrap")
    rounds: int
    seconds_each: int = Field(description="for how long each driver sends in a round")
    started: str
    seconds: float = 0.0
    verdict: Verdict = "interrupted"
    reason: str = Field("", description="the error, or why there are no results")
    ways: list[Way] = []
    order: list[list[str]] = Field([], description="the drivers in each round, as they came")
    samples: list[Sample] = []
    results: Results | None = None


def dump(measurement: Measurement) -> str:
    data = measurement.model_dump(mode="json")
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def write(measurement: Measurement, folder: Path) -> Path:
    """Write it to `folder`/measure.json, whole or not at all."""
    return write_atomic(folder / FILE, dump(measurement))


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of measure.json; kept at docs/measure.schema.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Measurement.model_json_schema(mode="serialization"),
        "title": f"Swarmrig measurement {SCHEMA_VERSION}",
    }


def write_schema(path: Path) -> Path:
    """Write `schema()` to `path`, as it is kept in the repository."""
    return write_atomic(path, json.dumps(schema(), indent=2) + "\n")
