"""On hosts that exist already, what another installation has made is not the exercise's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.changes.outcome import Outcome
from provision.machine.machine import Machine
from provision.plugins import install
from provision.support.errors import UserError
from scenarios.drivers.weave import WEAVE
from scenarios.kit import driver

PLUGIN = "x/weave:1"


class Host:
    """A host with traces of Weave, and with the plugin of that id, if any."""

    name = "machine1"

    def __init__(self, traces: str, plugin: str = "") -> None:
        self.traces, self.plugin = traces, plugin
        self.docker = SimpleNamespace(api=SimpleNamespace(inspect_plugin=self.inspect))

    def inspect(self, reference: str) -> dict[str, Any]:
        if not self.plugin:
            raise docker.errors.NotFound("no such plugin")
        return {"Id": self.plugin, "Name": reference}

    def run_checked(self, command: str, timeout: float = 0, sudo: bool = False) -> str:
        return self.traces


def claim(journal: Journal, traces: str, plugin: str = "") -> None:
    driver._claim(journal, [cast(Machine, Host(traces, plugin))], PLUGIN, WEAVE.left)


def test_another_weave_on_a_host_is_refused_and_nothing_is_written_down(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    with pytest.raises(UserError, match=r"machine1 \(interface weave, folder /var/lib/weave\)"):
        claim(journal, "interface weave\nfolder /var/lib/weave\n")
    assert journal.hosts() == []
    claim(journal, "")
    assert journal.about("machine1", "plugin", (PLUGIN,))


def test_what_a_run_of_the_lab_has_left_is_not_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    journal.begin(Change("machine1", "plugin", "x", (PLUGIN,)))
    claim(journal, "interface weave\n")


def test_a_plugin_is_the_labs_by_its_id_once_that_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    with pytest.raises(UserError, match="is on machine1 already, and not by this lab"):
        claim(journal, "", "theirs")
    entry = journal.begin(Change("machine1", "plugin", "x", (PLUGIN,)))
    # An installation that was cut off: nothing was there before.
    claim(journal, "", "ours")
    use: Any = SimpleNamespace(journal=journal, reference=PLUGIN)
    there: Any = SimpleNamespace(id="ours")
    driver.Use.brought(use, "machine1", there)
    claim(journal, "", "ours")
    with pytest.raises(UserError, match="is on machine1 already"):
        claim(journal, "", "theirs")

    outcome = Outcome()
    install.undo(cast(Machine, Host("", "theirs")), entry, outcome)
    assert outcome.removed == []
    assert outcome.left == [f"plugin {PLUGIN} on machine1: it is another one by now"]
