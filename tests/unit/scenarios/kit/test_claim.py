"""On hosts that exist already, what another installation has made is not the exercise's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.machine.machine import Machine
from provision.support.errors import UserError
from scenarios.drivers.weave import WEAVE
from scenarios.kit import driver

PLUGIN = "x/weave:1"


class Host:
    """A host with traces of Weave, and no plugin."""

    name = "machine1"

    def __init__(self, traces: str) -> None:
        def absent(reference: str) -> Any:
            raise docker.errors.NotFound("no such plugin")

        self.traces = traces
        self.docker = SimpleNamespace(api=SimpleNamespace(inspect_plugin=absent))

    def run_checked(self, command: str, timeout: float = 0, sudo: bool = False) -> str:
        return self.traces


def claim(journal: Journal, traces: str) -> None:
    driver._claim(journal, [cast(Machine, Host(traces))], PLUGIN, WEAVE.left)


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
