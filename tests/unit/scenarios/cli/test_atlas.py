"""The verb atlas: each scenario of it is run once, and what does not run is on the page as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.support.errors import CheckFailed, UserError
from scenarios.cli import atlas as verb
from scenarios.kit import runner
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup
from scenarios.record import store
from scenarios.record.model import Record
from tests.unit import sample_record as samples

Run = Callable[[Scenario, Setup], Record]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = tmp_path / "lab.toml"
    file.write_text("")
    monkeypatch.chdir(tmp_path)
    return str(file)


@contextmanager
def opened(lab: Any, what: str) -> Iterator[Any]:
    ready = SimpleNamespace(image="alpine:latest", provider="libvirt", notes=())
    yield SimpleNamespace(lab=lab, machines={}, ready=ready)


def not_opened(lab: Any, what: str) -> Any:
    raise AssertionError("no machine may be asked")


def passes(scenario: Scenario, setup: Setup) -> Record:
    record = samples.sample()
    record.scenario, record.title = scenario.name, scenario.title
    store.write(record, setup.folder)
    return record


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was run, in that order."""
    names: list[str] = []

    def run(scenario: Scenario, setup: Setup) -> Record:
        names.append(scenario.name)
        if scenario.name == "host":
            raise UserError("The swarm already has container host1, not created by this lab.")
        record = passes(scenario, setup)
        if scenario.name == "bridge":
            record.verdict = "failed"
        return record

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(Setup, "infos", lambda _: {})
    monkeypatch.setattr(Setup, "apis", lambda _: {})
    return names


def page(folder: Path) -> str:
    (file,) = folder.glob("reports/*/*-atlas/atlas.html")
    return file.read_text()


def test_it_runs_what_is_asked_for_and_makes_one_page(
    lab: str, ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.atlas(opened, lab, ["attachable", "none"])
    assert ran == ["attachable", "none"]
    shown = page(tmp_path)
    assert ">attachable</a>" in shown
    assert ">none</a>" in shown
    assert "Atlas: " in capsys.readouterr().out


def test_without_a_word_it_runs_all_of_them_and_nothing_that_breaks_something(
    lab: str, ran: list[str]
) -> None:
    with pytest.raises(CheckFailed):
        verb.atlas(opened, lab)
    assert {"overlay", "bridge", "encrypted", "vip", "publish"} <= set(ran)
    assert not {"failover", "quorum", "cut", "weave"} & set(ran)
    assert len(ran) == len(set(ran))


def test_one_that_fails_is_named_and_the_others_run_and_are_on_the_page(
    lab: str, ran: list[str], tmp_path: Path
) -> None:
    with pytest.raises(CheckFailed, match=r"Not passed: bridge\.") as caught:
        verb.atlas(opened, lab, ["bridge", "none"])
    assert ran == ["bridge", "none"]
    assert "atlas.html" in caught.value.advice
    assert ">none</a>" in page(tmp_path)


def test_one_that_is_refused_is_skipped_with_the_reason_and_the_others_run(
    lab: str, ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb.atlas(opened, lab, ["host", "none"])
    assert ran == ["host", "none"]
    why = "The swarm already has container host1, not created by this lab"
    assert f"SKIPPED: {why}" in capsys.readouterr().out
    assert why in page(tmp_path)


def test_a_name_that_is_none_of_the_atlas_is_refused_before_the_lab_is_opened(lab: str) -> None:
    with pytest.raises(UserError, match="The atlas has no scenario 'failover'") as caught:
        verb.atlas(not_opened, lab, ["failover"])
    assert "attachable" in caught.value.advice


def test_from_reports_it_asks_no_machine_and_takes_the_newest(
    lab: str, ran: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="has no report of a scenario of the atlas"):
        verb.atlas(not_opened, lab, ["none"], from_reports=True)
    for time, title in (("20261128T120000Z", "an old one"), ("20261128T130000Z", "the newest")):
        record = samples.sample()
        record.scenario, record.title = "none", title
        folder = tmp_path / "reports" / "book" / f"{time}-none"
        folder.mkdir(parents=True)
        store.write(record, folder)
    verb.atlas(not_opened, lab, from_reports=True)
    assert "the newest" in page(tmp_path)
    assert "an old one" not in page(tmp_path)
    assert ran == []
