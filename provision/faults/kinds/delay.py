"""Packets that arrive late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from provision.faults import shaping
from provision.faults.fault import Fault, Part, Seen, names_of

_QUEUE = 100_000  # packets that may wait; netem's own 1000 would lose some on a fast path


@dataclass(frozen=True)
class Delay(Fault):
    """What a machine sends to others arrives `ms` milliseconds later, give or take `jitter`."""

    kind: ClassVar[str] = "delay"
    between: ClassVar[bool] = True

    ms: int = 100
    jitter: int = 0

    def __post_init__(self) -> None:
        self._ends()
        self._within("ms", self.ms, 1, 10_000)
        self._within("jitter", self.jitter, 0, self.ms)

    def words(self) -> str:
        about = f", give or take {self.jitter} ms" if self.jitter else ""
        return f"what {self.on} sends to {names_of(self.others)} is {self.ms} ms late{about}"

    def refusal(self, seen: Seen) -> str:
        return shaping.refusal(seen)

    def part(self, seen: Seen, fault_id: str) -> Part:
        jitter = f" {self.jitter}ms" if self.jitter else ""
        return shaping.part(seen, fault_id, netem=f"limit {_QUEUE} delay {self.ms}ms{jitter}")


def delay(on: str, *others: str, ms: int = 100, jitter: int = 0) -> Delay:
    """Delay what a machine sends."""
    return Delay(on, others, ms=ms, jitter=jitter)
