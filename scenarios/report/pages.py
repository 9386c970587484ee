"""The record through the templates: report.html and report.md, and the comparison of runs."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provision.support.text import readable
from scenarios.record.model import Expectation, Record, Step, Topology
from scenarios.report import book, charts, findings, lanes, markdown, text, topology

_TEMPLATES = Path(__file__).parent / "templates"
PICTURE_STYLES = _TEMPLATES / "picture.css"


def report_html(record: Record) -> str:
    """One file that needs no other: style and pictures inside, no script, no outside link."""
    return _html().get_template("report.html.j2").render(context(record))


def report_markdown(record: Record) -> str:
    """The same in GitHub's Markdown, for a wiki or a pull request."""
    return _markdown().get_template("report.md.j2").render(context(record))


def picture(shown: Topology, seen: str = "", id_: str = "topology") -> str:
    """The report's picture of a topology alone, as HTML to embed: a <figure> with two SVGs, one
    for phones. `PICTURE_STYLES` has its styles. Names are escaped, whatever people have called
    things.

    `seen` is what was captured on the underlay; `id_` tells pictures of one page apart.
    """
    macros: Any = _html().get_template("macros.html.j2").module
    wide, narrow = topology.wide_of(shown, seen), topology.narrow_of(shown, seen)
    return str(macros.topology(wide, narrow, id_))


def compared(template: str, values: dict[str, Any]) -> str:
    """A page that is not of one run: "compare.html.j2", "measure.md.j2" and the like."""
    environment = _markdown() if template.endswith(".md.j2") else _html()
    return environment.get_template(template).render(values)


def context(record: Record) -> dict[str, Any]:
    """What the templates and macros of one run are given."""
    return {
        "record": record,
        # What a step's command is from: most scenarios are in no book.
        "source": "exercise" if record.exercise == "-" else "book",
        "evidence": [one for (one,) in findings.recorded(record)],
        "name_pings": findings.name_pings(record),
        "wide": topology.wide(record),
        "narrow": topology.narrow(record),
        "chart": charts.rtt_chart(charts.run_series(record)),
        "bars": charts.time_line(record),
        "timelines": lanes.shown(record),
        "captures": findings.all_captures(record),
        "pings": findings.all_pings(record),
        "first_failure": first_failure(record),
        "passed": record.count(True),
        "failed": record.count(False),
        "skipped": reasons(record),
        "engines": engines(record),
    }


def first_failure(record: Record) -> tuple[Step, Expectation | None] | None:
    """The first step that failed or broke, with the expectation that was not met, if one was."""
    for step in record.steps:
        unmet = next((e for e in step.expectations if e.passed is False), None)
        if unmet or step.state in ("failed", "error"):
            return step, unmet
    return None


def reasons(record: Record) -> list[tuple[str, int]]:
    """Why expectations were skipped, each reason with how many of them."""
    return list(Counter(record.skipped()).items())


def engines(record: Record) -> str:
    """Docker Engine's version on the hosts: once when it is the same on all of them."""
    versions = {host.name: host.engine for host in record.topology.hosts}
    if len(set(versions.values())) <= 1:
        return next(iter(versions.values()), "unknown")
    return ", ".join(f"{engine} ({name})" for name, engine in versions.items())


@cache
def _html() -> Environment:
    environment = _environment(autoescape=True)
    environment.finalize = _legible
    return environment


@cache
def _markdown() -> Environment:
    # Markdown has an escape of its own (markdown.finalize), put on every expression; HTML's would
    # show entities to who reads the plain file.
    environment = _environment(autoescape=False)
    environment.finalize = markdown.finalize
    environment.filters |= {
        "code": markdown.code,
        "cell": markdown.cell,
        "fence": markdown.fence,
        "raw": markdown.raw,
    }
    return environment


def _legible(anything: Any) -> Any:
    """No control character of an output reaches the page, whatever expression it comes through."""
    return readable(anything) if type(anything) is str else anything


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, see _markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "value": text.value,
        "duration": text.duration,
        "fault": text.fault,
        "moment": text.moment,
        "ms": text.milliseconds,
        "middle": text.middle,
        "link": text.link,
        "plural": text.plural,
        "shorten": text.shorten,
        "words": text.words,
    }
    environment.globals |= {"mark": book.mark, "as_in_book": book.as_in_book}
    return environment
