"""The lab's proxy on machines."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.engine import apt, daemon, proxy
from provision.lab import load
from provision.lab.model import Lab
from tests.support.progress import quiet
from tests.unit.engine.shell_machine import ShellMachine

# Everything a URL may hold that a shell would take for its own.
URL = "http://me:se$(id)&;*!%27same@proxy.example:3128"
TABLE = f'[proxy]\nhttp = "{URL}"\nhttps = "{URL}"\nno_proxy = ".example, 10.0.0.0/8"\n'


def lab(folder: Path, text: str) -> Lab:
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(daemon, "wait", lambda _: "26.1.5")
    made = ShellMachine(tmp_path)
    made.program("systemctl", 'echo "$*" >> "$ROOT/calls"')
    (tmp_path / "etc/apt/apt.conf.d").mkdir(parents=True)
    return made


@pytest.fixture(params=["own", "existing"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.json" if request.param == "existing" else None)


def bring(machine: Any, made: Lab, journal: Journal) -> list[str]:
    changes = proxy.plan(made, "m", proxy.facts(machine), journal)
    for change in changes:
        proxy.apply(made, machine, journal, change, quiet())
    return [change.what for change in changes]


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): f"{path.stat().st_mode & 0o777:o}"
        for path in sorted((root / "etc").rglob("*"))
        if path.is_file()
    }


def test_the_machine_uses_it_after_one_restart_and_no_password_is_told(
    machine: Any, tmp_path: Path, journal: Journal
) -> None:
    made = lab(tmp_path, TABLE)
    (said,) = bring(machine, made, journal)
    assert said == (
        "use the proxy http://me:<removed>@proxy.example:3128, restart Docker if it runs"
    )
    assert files(tmp_path) == {
        "etc/apt/apt.conf.d/90swarmrig-proxy": "600",
        "etc/swarmrig-proxy.env": "600",
        "etc/systemd/system/docker.service.d/swarmrig-proxy.conf": "644",
    }
    assert bring(machine, made, journal) == []
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.count("restart docker") == 1
    assert not any("same@" in command for command in machine.commands)
    if journal.existing:
        assert "same@" not in (tmp_path / "journal.json").read_text()


def test_installations_have_it_in_their_environment(machine: Any, tmp_path: Path) -> None:
    bring(machine, lab(tmp_path, TABLE), Journal())
    shown = 'printf "%s\\n" "$http_proxy" "$HTTPS_PROXY" "$no_proxy"; sh -c "env" | grep -c _proxy='
    script = apt.whole(shown).replace("/etc/", f"{tmp_path}/etc/")
    said = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == [
        URL,
        URL,
        ".example,10.0.0.0/8,localhost,127.0.0.0/8,::1,192.168.56.0/24,"
        "machine1,192.168.56.11,machine2,192.168.56.12",
        "3",
    ]


def test_apt_gets_quoted_urls_and_the_hosts_without_a_proxy(tmp_path: Path) -> None:
    text = proxy.wanted(lab(tmp_path, f'{TABLE[:-1]}\n# "'), apt=True)[proxy.APT]
    assert f'Acquire::http::Proxy "{URL}";' in text
    assert 'Acquire::https::Proxy::machine2 "DIRECT";' in text
    assert "10.0.0.0" not in text
    assert proxy.APT not in proxy.wanted(lab(tmp_path, TABLE), apt=False)


def test_it_goes_with_its_table(machine: Any, tmp_path: Path, journal: Journal) -> None:
    bring(machine, lab(tmp_path, TABLE), journal)
    none = lab(tmp_path, "")
    assert bring(machine, none, journal) == ["remove the lab's proxy, restart Docker if it runs"]
    assert files(tmp_path) == {}
    assert journal.of("m") == []
    assert bring(machine, none, journal) == []


def test_what_the_journal_does_not_have_is_not_removed(machine: Any, tmp_path: Path) -> None:
    bring(machine, lab(tmp_path, TABLE), Journal())
    assert bring(machine, lab(tmp_path, ""), Journal(tmp_path / "journal.json")) == []


def test_a_host_is_rid_of_it(machine: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    bring(machine, lab(tmp_path, TABLE), journal)
    outcome = Outcome()
    proxy.undo(machine, outcome, quiet())
    assert files(tmp_path) == {}
    assert outcome.removed == ["the lab's proxy from m"]
