"""Where things that take long to make are kept between labs: outside every clone."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def folder() -> Path:
    """$SWARMRIG_CACHE, else the platform's own cache folder for swarmrig (made when needed)."""
    if given := os.environ.get("SWARMRIG_CACHE"):
        path = Path(given)
    elif sys.platform == "darwin":
        path = Path.home() / "Library" / "Caches" / "swarmrig"
    elif sys.platform == "win32":
        path = Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "swarmrig"
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        path = (Path(base) if base else Path.home() / ".cache") / "swarmrig"
    path.mkdir(parents=True, exist_ok=True)
    return path
