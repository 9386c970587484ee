"""Output for any encoding: what a terminal or a pipe cannot show is written in plain letters.

Without this a console that knows no "✓" (cp1252, ASCII) would end a verb with an error of its own.
Source: https://docs.python.org/3/library/codecs.html#codecs.register_error
"""

from __future__ import annotations

import codecs
import sys

_PLAIN = {"✓": "+", "✗": "x", "·": "-", "→": "->", "…": "...", "\u2013": "-", "\u00a0": " "}


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char, "?") for char in text), error.end


codecs.register_error("swarmrig-plain", _plain)


def write_anything() -> None:
    """From now on nothing that is printed fails because of its letters."""
    for stream in (sys.stdout, sys.stderr):
        # Tests, and embedding programs, put streams of their own in their place.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="swarmrig-plain")
