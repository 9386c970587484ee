"""Text for the terminal."""

from __future__ import annotations

from rich.console import Console


def say(text: str) -> None:
    """Print `text` as it is: no markup, no wrapping."""
    Console(highlight=False).print(text, markup=False, soft_wrap=True)
