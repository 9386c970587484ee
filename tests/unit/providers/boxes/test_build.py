"""The box that is built here."""

from __future__ import annotations

import pytest

from provision.providers.boxes import recipe
from provision.providers.boxes.recipe import SUITES, Recipe, of_suite, recipes
from provision.support.errors import UserError


def test_each_box_has_a_name_a_version_and_a_hash_of_its_own() -> None:
    every = [Recipe(suite, docker) for suite in SUITES for docker in (True, False)]
    assert len({one.hash() for one in every}) == len({one.name for one in every}) == 6
    assert Recipe().name == "swarmrig/debian13"
    assert Recipe("bookworm", docker=False).name == "swarmrig/debian12-plain"
    assert all(one.version.startswith(f"{SUITES[one.suite]}.") for one in every)


def test_a_box_is_found_by_its_name() -> None:
    assert recipes()["swarmrig/debian14"] == Recipe("forky")
    assert set(recipes()) == {one.name for one in recipes().values()}


@pytest.mark.parametrize("suite", SUITES)
def test_the_docker_command_is_in_every_box(suite: str) -> None:
    """Debian 12 has it in the engine's package, the newer ones beside it."""
    packages = recipe.docker_packages(suite)
    assert ("docker-cli" in packages) is (suite != "bookworm")
    assert "docker.io" in packages


def test_an_unknown_suite_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="no suite 'sid'") as caught:
        of_suite("sid")
    assert caught.value.advice == "Known are bookworm, trixie, forky."
