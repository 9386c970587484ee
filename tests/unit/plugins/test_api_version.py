"""Which Engine API an engine serves, and which one a plugin asks for."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.engine import daemon_config
from provision.lab.model import PluginSpec
from provision.plugins import api_version
from provision.plugins.api_version import Range, Verdict
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from tests.unit.plugins.test_plugins import archive, member

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
    assert api_version.verdict(ENGINES[engine], asked) == expected


def test_an_engine_whose_range_was_narrowed_and_knows_no_setting_is_pinned() -> None:
    assert api_version.verdict(Range("27.1.1", "1.44", "1.46"), "1.24") == Verdict("pin", "28.5")


def test_the_refusal_names_the_engine_to_pin() -> None:
    error = api_version.too_new("machine1", ENGINES["29.7.2"], "1.18", "24.0")
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
    assert api_version.asked_by(PluginSpec(), reference) == asked


def test_a_version_that_the_lab_sets_counts() -> None:
    plugin = PluginSpec(settings={"DOCKER_API_VERSION": "1.44"})
    assert api_version.asked_by(plugin, "weaveworks/net-plugin:2.8.1") == "1.44"


def test_an_archive_whose_plugin_can_be_told_a_version_needs_no_setting(tmp_path: Path) -> None:
    free = [{"name": "DOCKER_API_VERSION", "settable": ["value"], "value": ""}]
    told = json.dumps({"env": free}).encode()
    for config, adapts in ((told, True), (b'{"env": []}', False)):
        folder = tmp_path / str(adapts)
        folder.mkdir()
        root = member("rootfs", type=tarfile.DIRTYPE)
        plugin = PluginSpec(archive=archive(folder, root, config=config))
        assert api_version.adapts(plugin) is adapts
    assert not api_version.adapts(PluginSpec())


# -- while a lab comes up: an engine of 29, which no package source here has --------------------

FORK = "rajchaudhuri/net-plugin:latest_release-amd64"


@dataclass
class Engine:
    """A machine whose engine is of some release; `lowered` is what a setting makes of it."""

    range: Range
    lowered: str = ""
    name: str = "machine1"
    written: list[dict[str, Any]] = field(default_factory=list)

    @property
    def docker(self) -> Any:
        lowest = self.lowered if self.written and self.lowered else self.range.lowest
        said = {"Version": self.range.engine, "MinAPIVersion": lowest}
        return SimpleNamespace(version=lambda: {**said, "ApiVersion": self.range.highest})


def prepare(monkeypatch: pytest.MonkeyPatch, engine: Engine, plugin: PluginSpec) -> None:
    def ensure(machine: Any, settings: dict[str, Any], _: Any) -> bool:
        machine.written.append(settings)
        return True

    monkeypatch.setattr(daemon_config, "ensure", ensure)
    machine: Any = engine
    api_version.prepare(machine, plugin, Progress())


def test_an_engine_that_is_too_new_is_told_to_serve_what_the_plugin_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(ENGINES["29.7.2"], lowered="1.24")
    prepare(monkeypatch, engine, PluginSpec(FORK))
    assert engine.written == [{"min-api-version": "1.24"}]
    with pytest.raises(UserError, match=r"serves API 1\.40 and later") as caught:
        # Without the setting, as in a lab that is not for Weave.
        api_version.check("machine1", ENGINES["29.7.2"], "1.24")
    assert "[weave]" in caught.value.advice


def test_a_setting_that_changes_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match=r"still serves API 1\.40") as caught:
        prepare(monkeypatch, Engine(ENGINES["29.7.2"]), PluginSpec(FORK))
    assert 'docker.version = "28.5"' in caught.value.advice


@pytest.mark.parametrize("engine", ["20.10.24+dfsg1", "28.5.2"])
def test_an_engine_that_serves_it_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    one = Engine(ENGINES[engine])
    prepare(monkeypatch, one, PluginSpec(FORK))
    assert one.written == []


def test_the_books_plugin_needs_an_engine_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Engine(ENGINES["25.0.3"])
    with pytest.raises(UserError, match=r"asks for 1\.18") as caught:
        prepare(monkeypatch, one, PluginSpec("store/weaveworks/net-plugin:2.5.2"))
    assert 'docker.version = "24.0"' in caught.value.advice
    assert one.written == []
