"""The versions of Swarmrig, Python and the libraries that drive everything."""

from __future__ import annotations

import platform
import tomllib
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("docker", "fabric", "invoke", "jinja2", "paramiko", "python-vagrant")


def tools() -> dict[str, str]:
    """Swarmrig, Python, and the libraries that drive everything."""
    return {
        "swarmrig": _own(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _own() -> str:
    file = Path(__file__).parents[2] / "pyproject.toml"
    return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])
