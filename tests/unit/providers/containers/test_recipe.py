"""The image that machines are made of, as text."""

from __future__ import annotations

import pytest

from provision.providers.boxes import carried
from provision.providers.boxes.recipe import SUITES
from provision.providers.containers import image, recipe


def test_the_docker_command_is_a_package_of_its_own_from_debian_13_on() -> None:
    assert "docker-cli" not in recipe.packages("bookworm")
    assert "docker-cli" in recipe.packages("trixie")


@pytest.mark.parametrize("suite", SUITES)
def test_it_has_what_measures_with_it(suite: str) -> None:
    assert {"iperf3", "iputils-ping"} <= set(recipe.packages(suite))


@pytest.mark.parametrize("suite", SUITES)
def test_its_version_names_the_debian_and_all_that_it_is_made_of(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recipe.version(suite)
    assert first.split(".")[0] == str(SUITES[suite])
    assert recipe.version(suite) == first
    monkeypatch.setattr(recipe, "FINISH", recipe.FINISH + "# another\n")
    assert recipe.version(suite) != first


def test_docker_build_makes_the_same_machine() -> None:
    text = image.dockerfile("trixie")
    assert text.startswith("FROM debian:trixie-slim ")
    assert all(package in text for package in recipe.packages("trixie"))
    assert f'CMD ["{recipe.INIT}"]' in text
    assert 'VOLUME ["/var/lib/docker", "/var/lib/containerd"]' in text


def test_the_version_of_its_busybox_is_that_of_its_authors() -> None:
    status = "Package: bash\nVersion: 5\n\nPackage: busybox-static\nVersion: 1:1.37.0-6+b3\n"
    assert carried.upstream_version(status) == "1.37.0"


def test_docker_build_takes_a_proxy_from_the_environment_by_its_name_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert image._build_arguments() == []
    monkeypatch.setenv("https_proxy", "http://me:sesame@p")
    assert image._build_arguments() == ["--build-arg", "https_proxy"]
