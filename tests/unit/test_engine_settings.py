"""Which Engine API an engine serves, what a plugin asks for, and daemon.json merged."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from provision import api_range, daemon_json
from provision.api_range import Range, Verdict
from provision.definition import Plugin
from tests.unit.test_plugins import archive, member

# The defaults of the engines' own releases.
ENGINES = {
    "20.10.24+dfsg1": Range("20.10.24+dfsg1", "1.12", "1.41"),
    "24.0.9": Range("24.0.9", "1.12", "1.43"),
    "25.0.3": Range("25.0.3", "1.24", "1.44"),
    "28.5.2": Range("28.5.2", "1.24", "1.51"),
    "29.0.0": Range("29.0.0", "1.44", "1.52"),
    "29.7.2": Range("29.7.2", "1.40", "1.54"),
}


@pytest.mark.parametrize(
    ("engine", "asked", "expected"),
    [
        ("20.10.24+dfsg1", "1.18", Verdict("nothing")),
        ("24.0.9", "1.18", Verdict("nothing")),
        ("25.0.3", "1.18", Verdict("pin", "24.0")),
        ("29.7.2", "1.18", Verdict("pin", "24.0")),
        ("28.5.2", "1.24", Verdict("nothing")),
        ("29.0.0", "1.24", Verdict("setting")),
        ("29.7.2", "1.24", Verdict("setting")),
        ("29.7.2", "1.41", Verdict("nothing")),
        # 1.9 is older than 1.24, though it sorts behind it as a text.
        ("28.5.2", "1.9", Verdict("pin", "24.0")),
    ],
)
def test_what_an_engine_needs_for_a_plugin(engine: str, asked: str, expected: Verdict) -> None:
    assert api_range.verdict(ENGINES[engine], asked) == expected


def test_an_engine_whose_range_was_narrowed_and_knows_no_setting_is_pinned() -> None:
    assert api_range.verdict(Range("27.1.1", "1.44", "1.46"), "1.24") == Verdict("pin", "28.5")


def test_the_refusal_names_the_engine_to_pin() -> None:
    error = api_range.too_new("machine1", ENGINES["29.7.2"], "1.18", "24.0")
    assert 'docker.version = "24.0"' in error.advice
    assert "29.7.2" in str(error)
    assert "1.18" in str(error)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("rajchaudhuri/net-plugin:latest_release-amd64", "1.24"),
        ("docker.io/rajchaudhuri/net-plugin:latest_release-arm64", "1.24"),
        ("weaveworks/net-plugin:2.8.1", "1.18"),
        ("store/weaveworks/net-plugin:2.5.2", "1.18"),
        ("weaveworks/net-plugin@sha256:00", "1.18"),
        ("registry.example:5000/other:1", ""),
    ],
)
def test_what_a_plugin_asks_for_is_known_by_its_name(reference: str, asked: str) -> None:
    assert api_range.asked_by(Plugin(), reference) == asked


def test_a_version_that_the_lab_sets_counts() -> None:
    plugin = Plugin(settings={"DOCKER_API_VERSION": "1.44"})
    assert api_range.asked_by(plugin, "weaveworks/net-plugin:2.8.1") == "1.44"


def test_an_archive_whose_plugin_can_be_told_a_version_needs_no_setting(tmp_path: Path) -> None:
    free = [{"name": "DOCKER_API_VERSION", "settable": ["value"], "value": ""}]
    told = json.dumps({"env": free}).encode()
    for config, adapts in ((told, True), (b'{"env": []}', False)):
        folder = tmp_path / str(adapts)
        folder.mkdir()
        root = member("rootfs", type=tarfile.DIRTYPE)
        plugin = Plugin(archive=archive(folder, root, config=config))
        assert api_range.adapts(plugin) is adapts
    assert not api_range.adapts(Plugin())


# -- daemon.json --------------------------------------------------------------------------------


def test_a_setting_is_added_and_what_was_there_stays_in_its_order() -> None:
    text = '{\n  "bip": "172.18.0.1/24",\n  "log-opts": {"max-size": "1m"}\n}\n'
    new = daemon_json.merged(text, {"min-api-version": "1.24"})
    assert list(json.loads(new).items()) == [
        ("bip", "172.18.0.1/24"),
        ("log-opts", {"max-size": "1m"}),
        ("min-api-version", "1.24"),
    ]


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_file_gets_the_setting_alone(text: str) -> None:
    assert json.loads(daemon_json.merged(text, {"a": "b"})) == {"a": "b"}


def test_a_file_that_says_it_already_is_not_written_anew() -> None:
    text = '{"min-api-version":   "1.24"}'
    assert daemon_json.merged(text, {"min-api-version": "1.24"}) is text


def test_another_value_is_replaced() -> None:
    assert json.loads(daemon_json.merged('{"a": 1}', {"a": 2})) == {"a": 2}


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "{} {}"])
def test_a_file_that_is_no_object_is_left_to_its_owner(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own words differ
        daemon_json.merged(text, {"a": "b"})
