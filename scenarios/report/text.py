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

from provision.support import text
from scenarios.record.model import Fault


def value(anything: Any) -> str:
    """An expected or seen value: a string as it is, anything else as JSON."""
    if isinstance(anything, str):
        return text.readable(anything) or '""'
    return text.readable(json.dumps(anything, ensure_ascii=False, sort_keys=True, default=str))


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


def fault(made: Fault) -> str:
    """A fault in a line: what, where, when, and who healed it where that was not the step."""
    begin, end = instant(made.begin), instant(made.end)
    lasted = f" for {duration((end - begin).total_seconds())}" if begin and end else ""
    early = ", healed by its timer" if made.healed == "timer" else ""
    left = ", not healed by the run" if not made.healed else ""
    where = f"step {made.step}, " if made.step else ""
    return f"{made.kind}: {made.what} ({where}from {moment(made.begin)}{lasted}{early}{left})"


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
