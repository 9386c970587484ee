"""From a record to files: JSON, Markdown, HTML (one file, no outside links) and JUnit XML."""

from __future__ import annotations

from pathlib import Path

from provision.support.files import write_atomic
from scenarios.record import store
from scenarios.record.model import Record
from scenarios.report import junit, pages


def write_reports(record: Record, folder: Path) -> Path:
    """Write report.json, report.md, report.html and junit.xml into `folder`, and return it.

    The files are a function of the record alone: the same record gives the same bytes. `raw/`
    (pcaps, inspect documents) is not touched; the pages link to it relatively. Raises OSError
    when the folder cannot be written; each file is whole or not there.
    """
    # Everything is rendered before anything is written: a report is never half a new one.
    files: dict[str, str | bytes] = {
        "report.md": pages.report_markdown(record),
        "report.html": pages.report_html(record),
        "junit.xml": junit.render(record),
    }
    store.write(record, folder)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return folder
