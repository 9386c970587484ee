"""Modules that are loaded when something of them is first asked for.

The verbs stand on paramiko, pydantic and the Docker SDK, half a second together; to list the verbs
needs none of these, and to look at a lab needs few.
Source: https://docs.python.org/3/library/importlib.html (implementing lazy imports)
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def lazily(name: str) -> ModuleType:
    """The module of that name, loaded or not yet. Raises ModuleNotFoundError for no such module."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
