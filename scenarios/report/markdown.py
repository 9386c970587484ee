"""Markdown that says what the record says: no text of a record can become Markdown or HTML.

Source: CommonMark 0.31 (fenced code blocks, code spans, backslash escapes) and GitHub's tables.
"""

from __future__ import annotations

import re
from typing import Any

from provision.support.text import readable

# What opens a construct inside a line. Marks that open a block are only active at a line's start,
# where the templates never put text of a record; an underscore inside a word opens nothing.
_ACTIVE = re.compile(r"[\\`*\[\]<>|~&#!$]|(?<!\w)_|_(?!\w)")


class Safe(str):
    """Text that is Markdown already."""

    __slots__ = ()


def finalize(anything: Any) -> Any:
    """Jinja's `finalize`: every string that is not Markdown already is put as plain text."""
    return (
        anything
        if isinstance(anything, Safe) or not isinstance(anything, str)
        else escape(anything)
    )


def escape(text: str) -> Safe:
    """Plain text: line breaks become spaces, so that no text starts a line of its own."""
    return Safe(_ACTIVE.sub(r"\\\g<0>", " ".join(readable(text).split())))


def raw(markdown: str) -> Safe:
    """The output of a macro, which is Markdown already, without the line ends around it."""
    return Safe(markdown.strip("\n"))


def code(text: str) -> Safe:
    """A code span whose delimiters are longer than any run of backticks inside it."""
    line = " ".join(readable(text).split())
    if not line:
        return Safe("")
    ticks = "`" * (_longest(line, "`") + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Safe(f"{ticks}{pad}{line}{pad}{ticks}")


def cell(text: str) -> Safe:
    """A code span inside a table, where bars are split before code is seen.

    A backslash before a bar is read in two ways by the parsers in use, so such text is put as
    escaped text instead of code.
    """
    return escape(text) if "\\|" in text else Safe(code(text).replace("|", "\\|"))


def fence(text: str, language: str = "text") -> Safe:
    """A fenced block, its fence longer than any run of backticks in `text`."""
    block = readable(text).rstrip("\n")
    ticks = "`" * max(3, _longest(block, "`") + 1)
    return Safe(f"{ticks}{language}\n{block}\n{ticks}")


def _longest(text: str, char: str) -> int:
    return max((len(run) for run in re.findall(re.escape(char) + "+", text)), default=0)
