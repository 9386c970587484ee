"""The atlas says what the records say, and nothing that they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.record import throughput
from scenarios.record.model import Record, Step
from scenarios.report.atlas import atlas, write_atlas
from tests.unit import sample_record as samples


def page(*records: Record, folder: Path) -> str:
    sources = [(folder / str(at), record) for at, record in enumerate(records)]
    return write_atlas(sources, folder / "atlas", throughput.newest(folder)).read_text()


def test_a_row_has_what_the_pings_have_shown(tmp_path: Path) -> None:
    (row,) = atlas([(tmp_path / "run", samples.sample())], tmp_path / "atlas").rows
    assert (row.name, row.driver) == ("overlaynet1", "overlay")
    assert row.by_address["other"].state == "seen"
    assert row.by_address["other"].link.startswith("../run/report.html#step-")
    assert (row.around.text, row.encrypted.text) == ("VXLAN", "no")
    # Answered on the asking machine itself: it is no evidence, and is not shown as such.
    assert row.by_name == {}
    assert row.by_virtual_address["other"].state == "unknown"


def test_packets_that_do_not_come_through_are_seen(tmp_path: Path) -> None:
    (row,) = atlas([(tmp_path / "run", samples.underlay_blocked())], tmp_path / "atlas").rows
    assert row.by_address["other"].state == "missing"


def test_a_link_leads_to_the_step_that_has_sent_the_packets(tmp_path: Path) -> None:
    record = samples.sample()
    (row,) = atlas([(tmp_path / "run", record)], tmp_path / "atlas").rows
    at = int(row.by_address["other"].link.rpartition("-")[2])
    assert any(ping.kind == "task-address" for ping in record.steps[at - 1].pings)


def test_what_a_network_costs_leads_to_the_step_that_has_shown_it(tmp_path: Path) -> None:
    record = samples.sample()
    record.topology.networks[0].mtu = 1450
    crossed = next(s for s in record.steps if any(p.kind == "task-address" for p in s.pings))
    large = crossed.pings[-1].model_copy(update={"kind": "full-size", "size": 1450})
    crossed.pings.append(large)
    (row,) = atlas([(tmp_path / "run", record)], tmp_path / "atlas").rows
    html = page(record, folder=tmp_path)

    def step(link: str) -> Step:
        assert f'<a href="{link.replace("../run", "../0")}">' in html
        return record.steps[int(link.rpartition("-")[2]) - 1]

    assert step(row.encrypted.link).captures
    assert step(row.around.link).captures
    assert any(ping.kind == "task-address" for ping in step(row.rtt.link).pings)
    assert any(ping.kind == "full-size" for ping in step(row.mtu.link).pings)


def test_what_was_not_seen_leads_nowhere(tmp_path: Path) -> None:
    record = samples.sample()
    for at in record.steps:
        at.captures.clear()
    (row,) = atlas([(tmp_path / "run", record)], tmp_path / "atlas").rows
    assert (row.encrypted.text, row.encrypted.link) == ("\u2013", "")


def test_a_ping_of_a_virtual_address_does_not_say_that_nothing_leaves(tmp_path: Path) -> None:
    """It is answered on the asking machine, whatever the network does with other packets."""
    record = samples.sample()
    for step in record.steps:
        for ping in step.pings:
            ping.kind = "name"
        for capture in step.captures:
            capture.flows, capture.packets, capture.total = [], [], 0
    assert any(step.captures and step.pings for step in record.steps)
    (row,) = atlas([(tmp_path / "run", record)], tmp_path / "atlas").rows
    assert (row.around.text, row.encrypted.text) == ("\u2013", "\u2013")


def test_a_scenario_that_was_skipped_says_why(tmp_path: Path) -> None:
    html = page(samples.sample(), samples.cannot_run(), folder=tmp_path)
    assert "has no IPVS" in html
    assert "Skipped" in html


def test_the_same_records_give_the_same_page_and_no_text_becomes_markup(tmp_path: Path) -> None:
    first = page(samples.hostile(), folder=tmp_path)
    assert page(samples.hostile(), folder=tmp_path) == first
    assert "<script" not in first
    assert "http://" not in first.replace("http://www.w3.org", "")


MEASURED = {
    "started": "2026-11-28T12:00:00Z",
    "lab": "book",
    "results": {
        "drivers": [
            {"driver": "host", "bits_per_second": {"median": 4e9, "low": 3.9e9, "high": 4.1e9}}
        ],
        "pairs": [{"driver": "overlay", "against": "host", "words": "overlay carries 61 %."}],
    },
}


@pytest.mark.parametrize("emulated", [True, False])
def test_throughput_is_shown_where_it_was_measured(tmp_path: Path, emulated: bool) -> None:
    assert 'id="throughput"' not in page(samples.sample(), folder=tmp_path)
    folder = tmp_path / "20261128T120000Z-measure"
    folder.mkdir()
    (folder / "measure.json").write_text(json.dumps({**MEASURED, "emulated": emulated}))
    later = tmp_path / "20261128T130000Z-measure"
    later.mkdir()
    (later / "measure.json").write_text(json.dumps({"verdict": "interrupted", "results": None}))
    html = page(samples.sample(), folder=tmp_path)
    assert "overlay carries 61 %." in html
    assert "../20261128T120000Z-measure/measure.html" in html
    assert ("4 Gbit/s" in html) is not emulated
    assert ("only ratios" in html) is emulated
