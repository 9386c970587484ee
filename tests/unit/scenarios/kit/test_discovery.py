"""Scenarios are discovered automatically."""

from __future__ import annotations

import pytest

from provision.support.errors import UserError
from scenarios.kit import discovery
from scenarios.overlay import overlay


def test_every_scenario_in_the_folder_is_found() -> None:
    assert discovery.found()["overlay"] is overlay
    with pytest.raises(UserError, match="no scenario 'weaver'"):
        discovery.get("weaver")
