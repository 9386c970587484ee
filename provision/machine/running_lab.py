"""A lab that is up, as a value: what scenarios are handed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.machine.machine import Machine


@dataclass(frozen=True)
class RunningLab:
    """A lab, what `up` recorded of it, and its machines by name, in the file's order."""

    lab: Lab
    ready: Ready
    machines: dict[str, Machine]


# Opens a lab for one verb, whose name is given: others are refused meanwhile.
OpenLab = Callable[[Lab, str], AbstractContextManager[RunningLab]]
