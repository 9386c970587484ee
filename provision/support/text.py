"""Text for people: suggestions, and terminal output made readable."""

from __future__ import annotations

import difflib
import re


def did_you_mean(given: str, known: list[str]) -> str:
    """A suggestion: the nearest of the known names, or nothing where none is near."""
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


# ECMA-48 control sequences (CSI, OSC, and the two-character escapes): colours and cursor moves.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
# Bidirectional overrides can make a text read as another one (CVE-2021-42574); C1 has no glyphs,
# and U+FFFE and U+FFFF are not characters (XML 1.0, section 2.2).
_UNSEEN = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_C0 = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}


def readable(output: str) -> str:
    """A terminal's output without its control sequences; other controls as visible pictures.

    A carriage return becomes a newline, so that a progress display reads as the sequence of its
    states. The result is valid in HTML and in XML 1.0.
    """
    plain = _ESCAPES.sub("", output).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("\ufffd", plain.translate(_C0))
