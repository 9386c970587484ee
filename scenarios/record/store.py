"""report.json: the record as a file, its published schema, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provision.support.errors import UserError
from provision.support.files import write_atomic
from scenarios.record.model import SCHEMA_VERSION, Record


def new_folder(reports: Path, scenario: str) -> Path:
    """The folder of a report that is begun now, below those of its lab; it is not made yet."""
    return reports / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{scenario}"


def dump(record: Record) -> str:
    """The record as indented JSON, non-ASCII kept readable, with a newline at the end."""
    return json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def write(record: Record, folder: Path) -> Path:
    """Write the record to `folder`/report.json, whole or not at all."""
    return write_atomic(folder / "report.json", dump(record))


def load(folder: Path) -> Record:
    """Read `folder`/report.json back.

    Raises UserError when there is none, when it is not a report, or when it was written by a
    newer Swarmrig whose schema this one does not know.
    """
    path = folder / "report.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path}: there is no report here",
            "Give a folder that a scenario wrote, such as reports/<lab>/<time>-overlay.",
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # also what is no UTF-8
        raise UserError(f"{path}: not a report: {error}", "Run the scenario again.") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if _is_newer(version):
        raise UserError(
            f"{path}: written with report schema {version}; this Swarmrig reads {SCHEMA_VERSION}",
            "Update Swarmrig to read it.",
        )
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UserError(
            f"{path}: not a report of schema {SCHEMA_VERSION}: {where}: {first['msg']}",
            "Run the scenario again.",
        ) from None


def _is_newer(version: object) -> bool:
    if not isinstance(version, str):
        return False
    try:
        given = tuple(int(part) for part in version.split("."))
    except ValueError:
        return False
    return given > tuple(int(part) for part in SCHEMA_VERSION.split("."))


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of report.json; kept at docs/report.schema.json.

    It is the schema of what is written: fields that have a default are there as well.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization"),
        "title": f"Swarmrig report {SCHEMA_VERSION}",
    }


def write_schema(path: Path) -> Path:
    """Write `schema()` to `path`, as it is kept in the repository."""
    return write_atomic(path, json.dumps(schema(), indent=2) + "\n")
