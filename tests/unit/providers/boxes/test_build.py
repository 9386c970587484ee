"""The box that is built here."""

from __future__ import annotations

from provision.providers.boxes import build


def test_the_recipe_of_the_box_has_a_hash_of_its_own() -> None:
    assert build.recipe_hash(docker=True) != build.recipe_hash(docker=False)
