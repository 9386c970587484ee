"""What `inv measure` says at its end, and how it exits."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.machine.running_lab import RunningLab
from provision.support.errors import MachineError, UserError
from scenarios.cli import measure as verb
from scenarios.record.measured import Measurement
from tests.unit.scenarios.report.test_measured import measurement

Verb = Callable[..., list[Path]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    """The verb over a lab whose measurement comes out as given; the folders of its reports."""
    file = tmp_path / "lab.toml"
    machines = "".join(f'[[machines]]\nname = "m{n}"\nrole = "manager"\n' for n in (1, 2))
    file.write_text(f'name = "book"\nprovider = "libvirt"\n{machines}')

    @contextlib.contextmanager
    def opened(lab: Lab, verb: str) -> Iterator[RunningLab]:
        yield RunningLab(lab, Ready("libvirt", "alpine"), {})

    def go(made: Measurement, drivers: str = "overlay host", as_json: bool = False) -> list[Path]:
        monkeypatch.setattr(verb, "measure_on", lambda *_: made)
        try:
            verb.measure(opened, str(file), drivers.split(), 8, 1, as_json)
        finally:
            folders.extend((tmp_path / "reports" / "book").glob("*-measure"))
        return folders

    folders: list[Path] = []
    return go


def test_each_driver_and_each_verdict_is_told_and_the_pages_are_written(
    run: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = run(measurement(overlay=2, host=4))
    said = capsys.readouterr().out
    assert "2 x 8 rounds of 1 s: about 1 min" in said
    assert "  overlay: 2.09 Gbit/s (2.03 to 2.15), round trip 0.325 ms" in said
    assert "host carries 200 % of what overlay does" in said
    assert "measure.html" in said.splitlines()[-1]
    names = {file.name for file in folder.iterdir()}
    assert names == {"measure.json", "measure.html", "measure.md"}


def test_of_emulated_machines_only_ratios_are_told(
    run: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    run(measurement(emulated=True, overlay=2, host=4))
    said = capsys.readouterr().out
    assert "only ratios mean something" in said
    assert "host carries 200 %" in said
    assert "Gbit/s" not in said


def test_json_is_all_that_is_printed(run: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    made = measurement(overlay=2, host=4)
    run(made, as_json=True)
    assert json.loads(capsys.readouterr().out) == made.model_dump(mode="json")


def test_what_failed_on_its_way_is_an_error_with_its_own_advice(run: Verb) -> None:
    made = measurement(overlay=2, host=4)
    made.verdict, made.results = "error", None
    made.reason = "iperf3, m1 to 10.0.0.2:5201: unable to connect\n  A packet filter may drop it."
    with pytest.raises(MachineError, match="unable to connect") as caught:
        run(made)
    assert caught.value.advice == "A packet filter may drop it."


def test_an_interrupted_one_has_its_pages_and_ends_as_interrupted(
    run: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    made = measurement(overlay=2, host=4)
    made.verdict, made.results, made.reason = "interrupted", None, "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run(made)
    said = capsys.readouterr().out
    assert "all that was made for it is removed" in said
    assert "measure.html" in said


def test_a_wrong_name_is_refused_before_the_lab_is_opened(run: Verb) -> None:
    with pytest.raises(UserError, match="There is no driver 'vxlan'"):
        run(measurement(overlay=2), drivers="overlay vxlan")
