"""The lab on other releases of the outer engine than the tier's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.providers.containers import image, recipe
from tests.containers.outer import Lab, Outer, why_not
from tests.hosts import root as roots
from tests.support.tier import cannot_run


@pytest.mark.parametrize("release", sorted(set(roots.RELEASES) - {roots.DEFAULT}))
def test_the_lab_comes_up_and_goes(release: str, tmp_path: Path) -> None:
    if reason := why_not():
        cannot_run(reason)
    roots.root(True, release)
    image.file_system(recipe.SUITE, print)
    outer = Outer(release)
    try:
        version = outer.docker("version", "--format", "{{.Server.Version}}")
        assert int(version.split(".")[0]) == roots.RELEASES[release].docker_major
        before = outer.belongings()
        lab = Lab(outer, tmp_path)
        lab.must("up")
        assert lab.states() == [("running", "ready (leader)"), ("running", "ready")]
        lab.must("destroy")
        assert outer.belongings() == before
    finally:
        outer.close()
