"""Which box a lab gets whose lab.toml names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.lab.load import load
from provision.lab.model import Lab
from provision.providers.backends import registry
from provision.providers.boxes import build, select, store
from provision.providers.boxes.recipe import Recipe
from provision.support import architecture
from provision.support.errors import UserError


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host on which nothing was built or downloaded yet, and the catalogue answers."""
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "stored", lambda *_: False)
    monkeypatch.setattr(select, "downloadable", lambda: True)
    monkeypatch.setattr(architecture, "debian_architecture", lambda: "amd64")


def lab(folder: Path, suite: str = "") -> Lab:
    (folder / "lab.toml").write_text(f'suite = "{suite}"\n' if suite else "")
    return load(folder / "lab.toml")


@pytest.mark.parametrize(
    ("provider", "box"),
    [
        ("libvirt", "debian/trixie64"),
        ("virtualbox", "bento/debian-13"),
        ("parallels", "bento/debian-13"),
        ("vmware_desktop", "bento/debian-13"),
        ("hyperv", "generic/debian12"),
    ],
)
def test_it_is_debian_13_where_one_is_published_for_the_provider(
    tmp_path: Path, provider: str, box: str
) -> None:
    found = select.choose(lab(tmp_path), registry.backend(provider), print)
    assert (found.name, found.add) == (box, None)


def test_on_arm64_libvirt_gets_one_of_that_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architecture, "debian_architecture", lambda: "arm64")
    found = select.choose(lab(tmp_path), registry.backend("libvirt"), print)
    assert found.name == "cloud-image/debian-13"


def test_lab_toml_can_name_the_suite(tmp_path: Path) -> None:
    wanted = lab(tmp_path, "bookworm")
    assert select.choose(wanted, registry.backend("libvirt"), print).name == "debian/bookworm64"


def test_a_suite_that_nobody_publishes_is_built_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Recipe] = []

    def build_it(recipe: Recipe, _: object) -> build.BoxFile:
        built.append(recipe)
        file = tmp_path / "made" / "package.box"
        file.parent.mkdir()
        return build.BoxFile(file, recipe.name, recipe.version, "0" * 64, "image")

    monkeypatch.setattr(build, "build", build_it)
    found = select.choose(lab(tmp_path, "forky"), registry.backend("libvirt"), lambda _: None)
    assert built == [Recipe("forky")]
    assert (found.name, found.why) == (
        "swarmrig/debian14",
        "built here, since no box of forky is published",
    )
    with pytest.raises(UserError, match="suite: no box of forky is published for virtualbox"):
        select.choose(lab(tmp_path, "forky"), registry.backend("virtualbox"), print)


def test_without_a_network_the_default_suite_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "downloadable", lambda: False)
    said: list[str] = []

    def build_it(recipe: Recipe, _: object) -> build.BoxFile:
        raise UserError(f"{recipe.name} is built")

    monkeypatch.setattr(build, "build", build_it)
    with pytest.raises(UserError, match="swarmrig/debian13 is built"):
        select.choose(lab(tmp_path), registry.backend("libvirt"), said.append)
    assert "cannot be reached: building a box" in said[0]
