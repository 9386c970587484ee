"""Finding scenarios: every `Scenario` in a module of the `scenarios` folder."""

from __future__ import annotations

import importlib
import pkgutil

import scenarios
from provision.support.errors import UserError
from scenarios.kit.scenario import Scenario


def found() -> dict[str, Scenario]:
    """All scenarios: every `Scenario` in a module of the `scenarios` folder, by its name."""
    all_of_them: dict[str, Scenario] = {}
    for info in pkgutil.iter_modules(scenarios.__path__):
        if info.ispkg:
            continue
        module = importlib.import_module(f"scenarios.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Scenario):
                all_of_them[value.name] = value
    return all_of_them


def get(name: str) -> Scenario:
    """The scenario of that name. Raises UserError that lists the names there are."""
    known = found()
    if name not in known:
        raise UserError(
            f"There is no scenario {name!r}.", f"Scenarios: {', '.join(sorted(known))}."
        )
    return known[name]
