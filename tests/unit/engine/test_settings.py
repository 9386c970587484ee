"""docker.settings over what daemon.json has, and taken out exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import daemon, daemon_config, settings
from provision.engine.settings import Written, merged, without
from provision.support.errors import MachineError, UserError
from tests.support.progress import quiet
from tests.unit.engine.shell_machine import ShellMachine

THEIRS = '{"bip": "172.18.0.1/24",\n\t"log-opts": {"max-size": "1m", "labels": "x"}}'
# What is data in JSON and would be code elsewhere.
ODD = "a\"b'c\n$(touch /etc/x) `id` #{1} \\"


class Engine(ShellMachine):
    """Its systemctl counts the engine's starts; one with the word "bad" in its file fails."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.program("dockerd", "true")
        # Of three containers that ran, one is started by its restart policy, one is a task.
        self.program(
            "docker",
            'echo "docker $*" >> "$ROOT/calls"; case $1$4 in ps*) echo "one two task" ;; '
            'inspectone) echo "false " ;; inspecttwo) echo "true " ;; '
            'inspecttask) echo "false service" ;; esac',
        )
        self.program("journalctl", "echo 'failed to start daemon: unknown thing'")
        self.program(
            "systemctl",
            '[ "$1" = restart ] || exit 0; echo x >> "$ROOT/starts"; '
            '! grep -qs bad "$ROOT/etc/docker/daemon.json"',
        )
        self.file = root / "etc" / "docker" / "daemon.json"
        self.file.parent.mkdir()

    def starts(self) -> int:
        file = self.root / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def daemon_log(self, lines: int = 5) -> str:
        return "failed to start daemon: unknown thing"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(daemon, "wait", lambda _: "26.1.5")
    return Engine(tmp_path)


@pytest.fixture(params=["own", "existing"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.json" if request.param == "existing" else None)


def bring(engine: Any, wanted: dict[str, Any], journal: Journal) -> list[str]:
    """What `up` does, in words."""
    changes = settings.plan("m", settings.facts(engine, wanted, journal), wanted)
    for change in changes:
        settings.apply(engine, change, wanted, journal, quiet())
    return [change.what for change in changes]


def test_tables_are_merged_and_other_values_replaced() -> None:
    wanted = {"log-opts": {"max-size": "5m"}, "dns": ["10.0.0.2"], "debug": True}
    assert json.loads(merged(THEIRS, wanted) or "") == {
        "bip": "172.18.0.1/24",
        "log-opts": {"max-size": "5m", "labels": "x"},
        "dns": ["10.0.0.2"],
        "debug": True,
    }
    assert merged(THEIRS, {"log-opts": {"max-size": "1m"}}) == THEIRS
    assert json.loads(merged(None, {"a": ODD}) or "") == {"a": ODD}


def test_what_was_edited_since_stays_and_our_own_values_go() -> None:
    ours = {"log-opts": {"max-size": "5m", "max-file": "2"}, "mtu": 1400}
    after = merged(THEIRS, ours)
    assert without(after, Written(THEIRS, after, ours)) == THEIRS
    edited = json.loads(after or "")
    edited |= {"mtu": 1300, "debug": True}
    left = without(json.dumps(edited), Written(THEIRS, after, ours))
    assert json.loads(left or "") == {**json.loads(THEIRS), "mtu": 1300, "debug": True}


def test_the_engine_restarts_only_when_its_file_changes(engine: Any, journal: Journal) -> None:
    engine.file.write_text(THEIRS)
    assert bring(engine, {}, journal) == []
    assert len(engine.commands) == (0 if journal.existing else 1)
    wanted = {"log-driver": ODD}
    assert bring(engine, wanted, journal) == [
        "set log-driver in /etc/docker/daemon.json, restart Docker"
    ]
    assert json.loads(engine.file.read_text()) == {**json.loads(THEIRS), **wanted}
    assert bring(engine, wanted, journal) == []
    assert engine.starts() == 1
    assert not list(engine.root.glob("etc/x"))


@pytest.mark.parametrize("theirs", [THEIRS, None])
def test_settings_that_leave_lab_toml_give_the_file_back(
    engine: Any, journal: Journal, theirs: str | None
) -> None:
    if theirs:
        engine.file.write_text(theirs)
    bring(engine, {"mtu": 1400, "log-opts": {"max-size": "9m"}}, journal)
    bring(engine, {"mtu": 1300}, journal)
    assert bring(engine, {}, journal) == ["take mtu out of /etc/docker/daemon.json, restart Docker"]
    assert (engine.file.read_text() if engine.file.exists() else None) == theirs
    assert engine.starts() == 3
    assert journal.of("m") == []
    assert [path.name for path in engine.file.parent.iterdir()] == ["daemon.json"] * bool(theirs)


def test_a_file_that_the_engine_does_not_start_with_goes_back_and_is_told(
    engine: Any, journal: Journal
) -> None:
    engine.file.write_text(THEIRS)
    with pytest.raises(MachineError, match=r"does not start with mtu in .*: unknown thing"):
        bring(engine, {"mtu": "bad"}, journal)
    assert engine.file.read_text() == THEIRS
    assert engine.starts() == 2
    # Another value is tried as if nothing had been.
    bring(engine, {"mtu": 1400}, journal)
    bring(engine, {}, journal)
    assert engine.file.read_text() == THEIRS


def test_what_was_cut_off_is_known(
    engine: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.file.write_text(THEIRS)
    bring(engine, {"mtu": 1400, "debug": True}, journal)
    replace = daemon_config.replace

    def killed(*given: Any) -> None:
        replace(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(daemon_config, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            bring(engine, {"mtu": 1300}, journal)
    assert bring(engine, {"mtu": 1300}, journal) == []
    bring(engine, {}, journal)
    assert engine.file.read_text() == THEIRS


def test_a_host_gets_its_own_file_back_by_the_journal(engine: Any, tmp_path: Path) -> None:
    engine.file.write_text(THEIRS)
    journal = Journal(tmp_path / "journal.json")
    bring(engine, {"mtu": 1400}, journal)
    outcome = Outcome()
    settings.undo(engine, journal.of("m")[0], outcome, quiet())
    assert engine.file.read_text() == THEIRS
    assert outcome.removed == ["mtu from /etc/docker/daemon.json on m"]
    settings.undo(engine, journal.of("m")[0], outcome, quiet())
    assert len(outcome.removed) == 1
    assert engine.starts() == 2


def test_a_host_whose_docker_was_removed_since_gets_its_file_alone(
    engine: Any, tmp_path: Path
) -> None:
    engine.file.write_text(THEIRS)
    journal = Journal(tmp_path / "journal.json")
    bring(engine, {"mtu": 1400}, journal)
    (tmp_path / "bin" / "dockerd").unlink()
    settings.undo(engine, journal.of("m")[0], Outcome(), quiet())
    assert engine.file.read_text() == THEIRS
    assert engine.starts() == 1


def test_containers_that_ran_run_again(engine: Any, journal: Journal) -> None:
    bring(engine, {"mtu": 1400}, journal)
    calls = (engine.root / "calls").read_text().splitlines()
    assert [call for call in calls if "start" in call] == ["docker start one"]


def test_a_file_that_is_not_valid_is_its_owners(engine: Any, journal: Journal) -> None:
    engine.file.write_text("{")
    with pytest.raises(UserError, match=r"m: /etc/docker/daemon.json is not valid"):
        bring(engine, {"mtu": 1400}, journal)
    assert engine.file.read_text() == "{"
