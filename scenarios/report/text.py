"""Values of a record as text for people: outputs, durations, links."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from statistics import median
from typing import Any
from urllib.parse import quote

# ECMA-48 control sequences (CSI, OSC, and the two-character escapes): colours and cursor moves.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
# Bidirectional overrides can make a text read as another one (CVE-2021-42574); C1 has no glyphs,
# and U+FFFE and U+FFFF are not characters (XML 1.0, section 2.2).
_UNSEEN = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_C0 = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}


def readable(output: str) -> str:
    """A terminal's output without its control sequences; other controls as visible pictures.

    A carriage return becomes a line's end, so that a progress display stays readable as the
    sequence of its states. The result is legal in HTML and in XML 1.0.
    """
    plain = _ESCAPES.sub("", output).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("\ufffd", plain.translate(_C0))


def value(anything: Any) -> str:
    """An expected or seen value: a string as it is, anything else as JSON."""
    if isinstance(anything, str):
        return readable(anything) or '""'
    return readable(json.dumps(anything, ensure_ascii=False, sort_keys=True, default=str))


def duration(seconds: float) -> str:
    """Seconds in the unit that a person would say: "0.42 s", "12.3 s", "4 min 05 s", "1 h 02 min".

    Rounded first, chosen after, so that 59.99 s is a minute and not "60.0 s".
    """
    if round(seconds, 2) < 10:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(iso: str) -> str:
    """An ISO 8601 time as "2026-11-24 13:05:09 UTC"; what is not one is given back unchanged."""
    when = instant(iso)
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when else iso


def instant(iso: str) -> datetime | None:
    """An ISO 8601 time, taken as UTC where it names no zone; None for what is not one."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def milliseconds(rtt: float) -> str:
    """A round-trip time with three significant digits, never in exponents: "0.052", "31.6"."""
    if rtt >= 100:
        return f"{rtt:.0f}"
    return f"{rtt:.1f}" if rtt >= 10 else f"{rtt:.2f}" if rtt >= 1 else f"{rtt:.3f}"


def middle(rtts: Sequence[float]) -> str:
    """The median with its unit, joined by a no-break space, or a dash when no reply arrived."""
    return f"{milliseconds(median(rtts))}\u00a0ms" if rtts else "\u2013"


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 packet", "3 packets"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def words(line: str) -> list[tuple[str, str]]:
    """Each word with the white space before it, so that a page can keep words unbroken."""
    return re.findall(r"(\s*)(\S+)", line)


def link(file: str) -> str:
    """A report's own file as a relative URL, or "" when `file` would lead out of the folder."""
    path = PurePosixPath(file)
    if not file or path.is_absolute() or ".." in path.parts or "\\" in file:
        return ""
    # quote() also takes the colon, so no file name can become a URL with a scheme.
    return quote(file)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
