"""What ends a step."""

from __future__ import annotations


class StepFailed(Exception):
    """A step cannot continue: its command failed, or what it looks at does not exist."""
