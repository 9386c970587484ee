"""What of a measurement (`inv measure`) the atlas shows, read from its measure.json."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Interval(_Part):
    median: float
    low: float
    high: float


class Driver(_Part):
    driver: str
    bits_per_second: Interval


class Pair(_Part):
    driver: str
    against: str
    words: str


class Results(_Part):
    drivers: list[Driver]
    pairs: list[Pair]


class Throughput(_Part):
    """On emulated machines (`emulated`) the values in themselves mean nothing: only ratios do."""

    started: str
    emulated: bool
    results: Results


def newest(reports: Path) -> tuple[Path, Throughput] | None:
    """The folder of the newest measurement that has results, and what it says."""
    for file in sorted(reports.glob("*-measure/measure.json"), reverse=True):
        try:
            return file.parent, Throughput.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, ValidationError):
            continue  # one that ended early has no results
    return None
