"""One outer engine for the whole tier, with the machines' image in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provision.providers.boxes.recipe import SUITE
from provision.providers.containers import image
from tests.containers.outer import Outer, why_not
from tests.hosts import root as roots
from tests.support.tier import cannot_run


@pytest.fixture(scope="session")
def outer() -> Iterator[Outer]:
    if reason := why_not():
        cannot_run(reason)
    # Both come from a package registry: made before the network is gone.
    roots.root(True, roots.chosen())
    image.file_system(SUITE, print)
    made = Outer(roots.chosen())
    yield made
    made.close()
