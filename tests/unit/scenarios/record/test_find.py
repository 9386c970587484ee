"""Two runs beside each other from the command line: folders, or the newest of each scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.support.errors import UserError
from scenarios.record import find
from scenarios.report.write import write_reports
from tests.unit import sample_record as samples
from tests.unit.cli.test_cli import inv


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "lab.toml").write_text("")
    reports = tmp_path / "reports" / "book"
    write_reports(samples.sample(), reports / "20261124T100000Z-overlay")
    write_reports(samples.sample(), reports / "20261124T120000Z-overlay")
    write_reports(samples.weave(), reports / "20261124T110000Z-weave")
    # Another scenario whose name ends alike, and a run that left no report.
    write_reports(samples.sample(), reports / "20261125T100000Z-my-overlay")
    (reports / "20261126T100000Z-overlay").mkdir()
    return tmp_path


def test_the_newest_run_of_a_scenario_is_meant_by_its_name(lab: Path) -> None:
    found = find.find("overlay", lambda: lab / "reports" / "book")
    assert found.name == "20261124T120000Z-overlay"


def test_a_scenario_that_never_ran_is_told_with_how_to_run_it(lab: Path) -> None:
    with pytest.raises(UserError, match="no run of a scenario 'quic'") as caught:
        find.find("quic", lambda: lab / "reports" / "book")
    assert "inv scenario quic" in caught.value.advice


def test_overlay_is_laid_beside_weave(lab: Path) -> None:
    done = inv("compare", "overlay", "weave", SWARMRIG_LAB=str(lab / "lab.toml"))
    assert done.returncode == 0, done.stderr
    made = lab / "reports/book/20261124T120000Z-overlay-beside-20261124T110000Z-weave"
    assert "comparison.html" in done.stdout
    text = (made / "comparison.md").read_text()
    assert "Weave sleeve, UDP 6783" in text
    assert "VXLAN, VNI 4097, UDP 4789" in text
    assert (made / "comparison.html").is_file()


def test_more_than_two_are_compared(lab: Path) -> None:
    given = ("compare", "overlay", "weave", "--to", str(lab / "to"), "overlay", "weave")
    done = inv(*given, SWARMRIG_LAB=str(lab / "lab.toml"))
    assert done.returncode == 0, done.stderr
    text = (lab / "to" / "comparison.md").read_text()
    assert text.startswith("# overlay 1 and weave 2 and overlay 3 and weave 4 side by side")
    done = inv("compare", "overlay", "weave", "quic", SWARMRIG_LAB=str(lab / "lab.toml"))
    assert done.returncode == 2
    assert "no run of a scenario 'quic'" in done.stderr


def test_folders_are_compared_without_a_lab_and_written_where_one_says(
    lab: Path, tmp_path: Path
) -> None:
    reports = lab / "reports" / "book"
    one, other = reports / "20261124T120000Z-overlay", reports / "20261124T110000Z-weave"
    to = tmp_path / "elsewhere"
    nowhere = str(tmp_path / "no-lab.toml")
    done = inv("compare", str(one), str(other), "--to", str(to), SWARMRIG_LAB=nowhere)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in to.iterdir()} == {"comparison.html", "comparison.md"}


def test_a_folder_without_a_report_is_the_users_to_mend(lab: Path) -> None:
    done = inv("compare", str(lab), "weave", SWARMRIG_LAB=str(lab / "lab.toml"))
    assert done.returncode == 2
    assert "there is no report here" in done.stderr
