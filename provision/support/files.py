"""Files are written whole or not at all: an interruption leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_PART = ".part"


def write_atomic(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    """Write `content` beside `path`, flush it to disk, and rename it into place.

    Missing parent folders are made. `mode` holds from the first byte on, so a secret is at no
    moment readable by others. Raises OSError (a full disk, say) with `path` untouched.
    Source: rename(2), which replaces atomically within one file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def sweep(folder: Path, *patterns: str) -> None:
    """Remove what a killed `write_atomic` has left of the files that match the patterns.

    Only for folders that nobody else writes to meanwhile.
    """
    for pattern in patterns:
        head, _, name = pattern.rpartition("/")
        for part in folder.glob(f"{head}/.{name}.*{_PART}".removeprefix("/")):
            part.unlink(missing_ok=True)


def digest(archive: Path) -> str:
    with archive.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
