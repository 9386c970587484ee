"""Which box a lab gets whose lab.toml names none."""

from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
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
    monkeypatch.setattr(select, "unreachable", lambda: "")
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
    monkeypatch.setattr(select, "unreachable", lambda: "no network")
    said: list[str] = []

    def build_it(recipe: Recipe, _: object) -> build.BoxFile:
        raise UserError(f"{recipe.name} is built")

    monkeypatch.setattr(build, "build", build_it)
    with pytest.raises(UserError, match="swarmrig/debian13 is built"):
        select.choose(lab(tmp_path), registry.backend("libvirt"), said.append)
    assert "cannot be reached (no network): building a box" in said[0]


# -- the catalogue ----------------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], list[str]]:
    """Play what comes of asking the catalogue; the addresses that were asked."""
    monkeypatch.undo()

    def play(error: Exception | None) -> list[str]:
        asked: list[str] = []

        def open_it(request: urllib.request.Request, **_: object) -> contextlib.nullcontext[None]:
            asked.append(request.full_url)
            if error:
                raise error
            return contextlib.nullcontext()

        monkeypatch.setattr(urllib.request, "urlopen", open_it)
        return asked

    return play


def untrusted() -> urllib.error.URLError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "unable to get local issuer certificate"
    return urllib.error.URLError(error)


Answers = Callable[[Exception | None], list[str]]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, ""),
        (urllib.error.HTTPError("u", 404, "none", Message(), None), ""),
        (urllib.error.URLError(OSError("[Errno -2] Name or service not known")), "not known"),
        (TimeoutError("timed out"), "timed out"),
        (untrusted(), "unable to get local issuer certificate; a login page of this network"),
    ],
)
def test_why_the_catalogue_does_not_answer_is_told(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, error: Exception | None, reason: str
) -> None:
    monkeypatch.setattr(select, "without_authorities", lambda: False)
    answers(error)
    said = select.unreachable()
    assert reason in said
    assert bool(said) == bool(reason)


def test_a_python_without_authorities_says_nothing_about_the_catalogue(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """python.org's on macOS: Vagrant brings its own, and can download."""
    none = ssl.DefaultVerifyPaths(None, None, "", "/nowhere", "", "/nowhere")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: none)
    answers(untrusted())
    assert select.unreachable() == ""


def test_a_private_catalogue_is_the_one_that_is_asked(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGRANT_SERVER_URL", "https://boxes.example")
    asked = answers(None)
    assert select.unreachable() == ""
    assert asked == ["https://boxes.example"]


def test_what_is_no_address_of_a_catalogue_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("VAGRANT_SERVER_URL", "boxes.example")
    assert "VAGRANT_SERVER_URL" in select.unreachable()


def test_a_box_is_known_to_be_debian_by_its_name() -> None:
    for provider in ("libvirt", "virtualbox", "hyperv"):
        backend = registry.backend(provider)
        assert select.is_debian(backend, backend.default_box())
        assert select.is_debian(backend, "swarmrig/debian12-plain")
        assert not select.is_debian(backend, "somebody/ubuntu")
