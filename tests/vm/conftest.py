"""One world for the whole tier: making machines is what takes its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.tier import cannot_run
from tests.vm.vagrant_world import World, why_not


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    if reason := why_not():
        cannot_run(reason)
    made = World.start()
    yield made
    made.close()
