"""The machines' image by `docker build`, as on Windows, macOS and wherever there is no mmdebstrap.

Debian's image and a registry cannot be had here: the image that is built on is made of Debian's
packages, has its name, and brings the packages along that apt is asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.providers.boxes.recipe import SUITE
from provision.providers.containers import recipe
from tests.containers.outer import Lab, Outer, why_not
from tests.hosts import root as roots
from tests.support import debian
from tests.support.tier import cannot_run

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="an image is built twice, which takes minutes: SWARMRIG_VM=all runs it",
)

_BUILDX = "usr/libexec/docker/cli-plugins/docker-buildx"
# A folder as a source of packages. Source: apt-ftparchive(1), sources.list(5).
_FOLDER = """
set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get --yes --download-only install {packages}
mkdir "$1/packages"
cd "$1/packages"
for deb in "$1"/var/cache/apt/archives/*.deb; do
  name=$(basename "$deb" | sed "s/%3a/-/")
  mv "$deb" "$name"
  dpkg-deb --field "$name"
  echo "Filename: ./$name"
  echo "Size: $(stat --format=%s "$name")"
  echo "SHA256: $(sha256sum "$name" | cut --delimiter=" " --fields=1)"
  echo
done > Packages
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d
echo "deb [trusted=yes] file:/packages ./" > "$1/etc/apt/sources.list"
"""


class WithoutMmdebstrap(Outer):
    """Commands find no mmdebstrap, and nothing that was built before."""

    def __init__(self, release: str, folder: Path, buildkit: bool) -> None:
        super().__init__(release)
        self.settings = {
            "SWARMRIG_CACHE": str(folder / "cache"),
            "DOCKER_CONFIG": str(folder / "docker"),
            "DOCKER_BUILDKIT": str(int(buildkit)),
        }
        plugins = folder / "docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        if buildkit:
            shutil.copy(buildx() / _BUILDX, plugins)

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(**self.settings, **more)

    def command(self, argv: list[str]) -> list[str]:
        hide = 'mount --bind /dev/null "$0" && exec "$@"'
        program = shutil.which("mmdebstrap") or ""
        return super().command(["unshare", "--mount", "sh", "-c", hide, program, *argv])


def buildx() -> Path:
    return debian.root("docker-buildx", ["docker-buildx"], "extract", archive=debian.Archive(SUITE))


def debians_image() -> Path:
    hook = _FOLDER.format(packages=" ".join(recipe.packages(SUITE)))
    archive = debian.Archive(SUITE)
    return debian.root("debian-image", ["apt"], "minbase", [hook], archive=archive)


@pytest.fixture(params=[False, True], ids=["old builder", "BuildKit"])
def outer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outer]:
    if reason := why_not():
        cannot_run(reason)
    roots.root(True, roots.DEFAULT)
    root = debians_image()
    made = WithoutMmdebstrap(roots.DEFAULT, tmp_path, request.param)
    try:
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            name = f"debian:{SUITE}-slim"
            subprocess.run(
                made.command(["docker", "import", "--change", 'CMD ["bash"]', "-", name]),
                check=True,
                stdin=tar.stdout,
                env=made.environment(),
            )
        yield made
    finally:
        made.close()


def test_the_lab_comes_up_from_an_image_that_docker_has_built(outer: Outer, tmp_path: Path) -> None:
    before = outer.belongings()
    images = outer.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    lab = Lab(outer, tmp_path)
    said = lab.must("up")
    assert "with docker build (mmdebstrap is not installed)" in said
    assert lab.states() == [("running", "ready (leader)"), ("running", "ready")]
    assert "PASSED" in lab.must("scenario", "overlay")
    lab.must("destroy")
    assert outer.belongings() == before
    # What the first of the two builds has made is gone.
    left = outer.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert sorted(left) == sorted([*images, recipe.reference(SUITE)])
