"""What `up` recorded of a lab."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ready:
    """What `up` has brought up; kept in the lab's state as ready.json."""

    provider: str
    image: str
    notes: list[str] = field(default_factory=list)
    engines: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
