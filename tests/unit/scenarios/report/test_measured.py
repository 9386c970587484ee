"""The pages of a measurement: what they show, and what they leave out."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from markdown_it import MarkdownIt

from scenarios.measure.results import results
from scenarios.record import measured
from scenarios.record.measured import Measurement, Sample, Way
from scenarios.record.model import Host
from scenarios.report import measured as pages

CLONE = Path(__file__).parents[4]
HOSTILE = "<img src=x onerror=alert(1)>|`*\x1b[31m"


def sample(number: int, driver: str, bits: float, rtts: list[float], cpu: float = 0.5) -> Sample:
    return Sample(
        round=number,
        driver=driver,
        started="2026-11-28T20:00:00.000+00:00",
        seconds=1,
        bits=bits,
        bits_per_second=bits,
        retransmits=3,
        segment=1448,
        loaded_rtt_ms=0.5,
        rtts_ms=rtts,
        pings=2,
        cpu_seconds={"machine1": cpu},
    )


def measurement(emulated: bool = False, note: str = "", **speed: float) -> Measurement:
    """Eight rounds; each driver is as fast as given in Gbit/s, the rounds differ a little."""
    hosts = [
        Host(
            name=f"machine{n}",
            role="manager",
            address=f"10.77.0.{n}",
            engine="26.1.5",
            api="1.45",
            system="Debian",
            kernel="6.12",
        )
        for n in (1, 2)
    ]
    made = Measurement(
        lab="book",
        provider="libvirt",
        image="alpine",
        notes=[note] if note else [],
        iperf3={"machine1": "iperf 3.18", "machine2": "iperf 3.18"},
        hosts=hosts,
        emulated=emulated,
        one_kernel=False,
        seed=1,
        rounds=8,
        seconds_each=1,
        started="2026-11-28T20:00:00.000+00:00",
        verdict="measured",
        ways=[
            Way(
                name=name,
                driver=name,
                source="a",
                target="10.0.0.2:5201",
                path=["a", "b"],
                pinged="10.0.0.2: it answers",
            )
            for name in speed
        ],
        order=[list(speed) for _ in range(8)],
        samples=[
            sample(n, name, 1e9 * gbit * (1 + n / 100), [0.1 * n, 0.2])
            for n in range(1, 9)
            for name, gbit in speed.items()
        ],
    )
    made.results = results(made)
    return made


def written(made: Measurement, folder: Path) -> tuple[str, str]:
    pages.write_pages(made, folder)
    return (folder / "measure.html").read_text(), (folder / "measure.md").read_text()


def test_each_pair_has_its_verdict_in_one_line_at_the_top(tmp_path: Path) -> None:
    html, text = written(measurement(overlay=2, host=4, bridge=2), tmp_path)
    for line in (
        "host carries 200 % of what overlay does (99 % interval: 200 to 200 %).",
        "bridge and overlay: no difference shown in throughput (99 % interval of the ratio: "
        "100 to 100 %).",
    ):
        assert f"- {line}\n" in text
        assert f"<p>{line}</p>" in html
    assert text.index("no difference shown") < text.index("## Against overlay")


def test_own_values_are_shown_with_their_unit_and_interval(tmp_path: Path) -> None:
    html, text = written(measurement(overlay=2, host=4), tmp_path)
    for page in (html, text):
        assert "2.09 Gbit/s (2.03 to 2.15)" in page
        assert "4.18 Gbit/s (4.06 to 4.30)" in page


def test_of_emulated_machines_there_are_ratios_and_no_absolute_value(tmp_path: Path) -> None:
    html, text = written(measurement(emulated=True, overlay=2, host=4), tmp_path)
    for page in (html, text):
        assert "QEMU emulates the machines" in page
        assert "host carries 200 % of what overlay does" in page
        assert "Gbit/s" not in page.replace("no Gbit/s", "")
        assert "0.2 ms" not in page
        assert "Each driver" not in page
    assert "1: overlay: 100 %; host: 200 %" not in text
    assert "| 1 | overlay: 100 %; host: 200 % |" in text


def test_a_round_without_a_reply_makes_no_ratio_of_round_trips(tmp_path: Path) -> None:
    made = measurement(overlay=2, host=4)
    made.samples[0].rtts_ms = []
    made.results = results(made)
    assert made.results.pairs[0].rtt is None
    assert made.results.drivers[0].lost_pings == 2
    _, text = written(made, tmp_path)
    assert "a round without a reply" in text


@pytest.mark.parametrize("verdict", ["error", "interrupted"])
def test_what_ended_early_says_why_and_shows_no_result(
    verdict: measured.Verdict, tmp_path: Path
) -> None:
    made = measurement(overlay=2, host=4)
    made.verdict, made.reason, made.results = verdict, "machine2: it is gone", None
    made.order = made.order[:3]
    html, text = written(made, tmp_path)
    for page in (html, text):
        assert "machine2: it is gone" in page
        assert "3 of 8 rounds were done: too few for a result." in page
        assert "carries" not in page


def test_before_anything_was_made_there_is_a_page_as_well(tmp_path: Path) -> None:
    made = measurement(overlay=2)
    made.verdict, made.results, made.ways, made.order, made.samples = "error", None, [], [], []
    html, _ = written(made, tmp_path)
    assert "0 of 8 rounds" in html


def test_one_driver_alone_is_shown_without_a_comparison(tmp_path: Path) -> None:
    html, text = written(measurement(host=4), tmp_path)
    assert "- host: 4.18 Gbit/s" in text
    assert "Against" not in text
    assert "<svg height" not in html


def test_no_text_of_a_record_becomes_markup(tmp_path: Path) -> None:
    made = measurement(note=HOSTILE, overlay=2, host=4)
    made.ways[0].path = [HOSTILE, HOSTILE]
    made.iperf3["machine1"] = made.reason = made.image = made.lab = HOSTILE
    html, text = written(made, tmp_path)
    assert "<img" not in html
    assert "\x1b" not in html + text
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    kinds = {token.type for token in rendered}
    kinds |= {child.type for token in rendered for child in token.children or []}
    assert not kinds & {"html_block", "html_inline", "image"}


def test_every_row_of_a_table_has_as_many_cells_as_its_head(tmp_path: Path) -> None:
    made = measurement(note=HOSTILE, overlay=2, host=4)
    made.ways[0].pinged = HOSTILE
    _, text = written(made, tmp_path)
    tables: list[list[int]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append(0)
        elif token.type in {"td_open", "th_open"}:
            tables[-1][-1] += 1
    assert len(tables) == 5
    assert all(len(set(rows)) == 1 for rows in tables)


def test_the_pages_are_made_of_the_record_alone(tmp_path: Path) -> None:
    made = measurement(overlay=2, host=4)
    first = written(made, tmp_path / "one")
    read = Measurement.model_validate_json((tmp_path / "one" / measured.FILE).read_text())
    assert read == made
    assert written(read, tmp_path / "two") == first


def test_the_page_needs_no_other_file_and_no_script(tmp_path: Path) -> None:
    html, _ = written(measurement(overlay=2, host=4), tmp_path)
    assert "<script" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_published_schema_is_the_one_that_the_code_gives(tmp_path: Path) -> None:
    published = json.loads((CLONE / "docs" / "measure.schema.json").read_text())
    assert published == measured.schema()
    jsonschema.validate(json.loads(measured.dump(measurement(overlay=2, host=4))), published)
