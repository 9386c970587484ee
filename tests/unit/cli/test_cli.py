"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from provision.providers.vagrant.runner import heeding_interrupts
from scenarios.report.write import write_reports
from tests.unit import sample_record

CLONE = Path(__file__).parents[3]
VERBS = ["up", "status", "ssh", "scenario", "destroy", "rebuild", "doctor", "render", "box", "lab"]
VERBS += [
    "reproduce",
    "same",
    "compare",
    "measure",
    "images.save",
    *(f"checkpoint.{verb}" for verb in ("save", "list", "restore", "delete")),
]
VERBS += ["check", "hint", "solve", "catch-up"]
VERBS += ["node.ls", "node.drain", "node.activate", "node.promote", "node.demote"]

VERBS += ["fault.ls", "fault.heal", "fault.partition", "fault.delay", "fault.loss", "fault.rate"]
VERBS += ["fault.reorder", "fault.mtu", "fault.kill-daemon", "fault.freeze-daemon"]
VERBS += ["fault.power-off", "fault.clock"]
VERBS += ["puzzle", "puzzle.answer", "puzzle.check", "puzzle.hint", "puzzle.stop"]


def inv(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CLONE / ".venv" / "bin" / "inv"), *args],
        cwd=CLONE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_the_list_shows_every_verb_with_what_it_does() -> None:
    listed = inv("--list").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in listed


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb: str) -> None:
    done = inv("--help", verb)
    assert done.returncode == 0
    assert "Docstring:" in done.stdout
    assert done.stdout.split("Docstring:")[1].split("Options:")[0].strip() != "none"


def test_the_users_mistake_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('name = "X"\n')
    done = inv("status", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 2
    assert 'lab.toml: name: given "X"' in done.stderr
    assert "Traceback" not in done.stderr


def test_debugging_shows_where(tmp_path: Path) -> None:
    done = inv("status", SWARMRIG_LAB=str(tmp_path / "lab.toml"), SWARMRIG_DEBUG="1")
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "nonsense"])
def test_progress_of_no_scenario_is_not_reset(name: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text((CLONE / "lab.toml").read_text(encoding="utf-8"), encoding="utf-8")
    kept = tmp_path / ".swarmrig" / "book" / "other" / "kept"
    kept.parent.mkdir(parents=True)
    kept.touch()
    done = inv("check", name, "--reset", SWARMRIG_LAB=str(file))
    assert done.returncode == 2
    assert f"There is no scenario {name!r}." in done.stderr
    assert kept.exists()


def test_a_scenario_on_a_lab_that_is_not_up_says_so(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    done = inv("scenario", "overlay", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 2
    assert "inv up" in done.stderr


def test_a_scenario_of_no_book_is_listed_and_printed_without_one(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    printed = inv("scenario", "bridge", "--dry-run", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert "by hand: docker exec bridge1 ping bridge2" in printed.stdout
    assert "book" not in printed.stdout
    listed = inv("scenarios").stdout
    assert "Exercise 6.04: " in listed
    assert "Exercise -" not in listed


def test_a_dry_run_touches_no_machine(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    done = inv("scenario", "overlay", "--dry-run", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 0
    assert " 17. Remove the network" in done.stdout


def test_a_grant_that_names_nothing_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    lab = str(tmp_path / "lab.toml")
    done = inv("scenario", "weave", "--dry-run", "--grant", "all", SWARMRIG_LAB=lab)
    assert done.returncode == 2
    assert "capabilities:CAP_SYS_RESOURCE" in done.stderr
    good = ("--grant", "mount:/dev/", "--grant", "device:/dev/kvm")
    assert inv("scenario", "weave", "--dry-run", *good, SWARMRIG_LAB=lab).returncode == 0


def test_destroying_what_was_never_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    done = inv("destroy", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 0
    assert "was not there" in done.stderr


def test_the_list_loads_nothing_that_only_the_verbs_need() -> None:
    heavy = {"paramiko", "fabric", "docker", "pydantic", "jinja2", "rich"}
    code = f"import sys, tasks; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [str(CLONE / ".venv" / "bin" / "python"), "-c", code],
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def two_reports(tmp_path: Path) -> tuple[str, str]:
    for name in ("one", "other"):
        write_reports(sample_record.sample(), tmp_path / name)
    return str(tmp_path / "one"), str(tmp_path / "other")


def test_two_reports_of_the_same_are_equal(two_reports: tuple[str, str]) -> None:
    done = inv("same", *two_reports)
    assert done.returncode == 0, done.stderr
    assert "Both runs gave the same result" in done.stdout


def test_two_reports_that_differ_are_told_with_what_and_end_with_1(
    two_reports: tuple[str, str],
) -> None:
    record = sample_record.sample()
    record.topology.hosts[0].engine = "99.9"
    write_reports(record, Path(two_reports[1]))
    done = inv("same", *two_reports)
    assert done.returncode == 1
    assert "+host machine1 (manager) at 192.168.56.11: Docker 99.9" in done.stdout
    assert "The two runs differ." in done.stderr


def test_two_runs_that_agree_in_failing_are_no_success(two_reports: tuple[str, str]) -> None:
    for folder in two_reports:
        write_reports(sample_record.underlay_blocked(), Path(folder))
    done = inv("same", *two_reports)
    assert done.returncode == 1
    assert "neither passed" in done.stderr


def test_what_is_no_report_is_told() -> None:
    assert inv("same", "nowhere", "nowhere").returncode == 2


HOSTS = """
provider = "hosts"
[[machines]]
name = "a"
address = "192.0.2.1"
[[machines]]
name = "b"
address = "192.0.2.2"
"""


def test_a_lab_that_was_never_up_has_nothing_locked(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(HOSTS)
    lab = str(tmp_path / "lab.toml")
    done = inv("lock", SWARMRIG_LAB=lab)
    assert done.returncode == 0
    assert "swarmrig.lock, book, hosts: nothing is locked yet" in done.stdout
    assert not (tmp_path / "swarmrig.lock").exists()
    (tmp_path / "swarmrig.lock").write_text("no")
    assert inv("lock", SWARMRIG_LAB=lab).returncode == 2


def test_checkpoints_of_hosts_that_exist_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(HOSTS)
    state = tmp_path / ".swarmrig" / "book"
    state.mkdir(parents=True)
    (state / "lab.toml").write_text(HOSTS)
    done = inv("checkpoint.list", SWARMRIG_LAB=str(tmp_path / "lab.toml"))
    assert done.returncode == 2
    assert "not its own to set back" in done.stderr


def test_status_can_be_watched_and_ends_well_with_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(HOSTS)
    with heeding_interrupts():
        process = subprocess.Popen(
            [str(CLONE / ".venv" / "bin" / "inv"), "status", "--watch", "--json"],
            cwd=CLONE,
            env={**os.environ, "SWARMRIG_LAB": str(tmp_path / "lab.toml")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert [machine["state"] for machine in said["machines"]] == ["absent", "absent"]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
