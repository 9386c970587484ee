"""What came of undoing changes, in words."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What was removed, and what was left on purpose, with the reason. Shared by threads."""

    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
