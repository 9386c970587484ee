"""Machines removed and restarted through Vagrant, with a Vagrant that only notes its calls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.lab import load
from provision.providers.vagrant.provider import VagrantProvider
from provision.providers.vagrant.template import Plan
from provision.support.errors import MachineError
from tests.support.progress import quiet

FAKE = """#!/bin/sh
echo "$*" >> calls
cp Vagrantfile "Vagrantfile.$1" 2>/dev/null
. ./does
case $1 in destroy) rm -rf "$VAGRANT_DOTFILE_PATH/machines/$3" ;; esac
"""


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VagrantProvider:
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    (tmp_path / "lab.toml").write_text("[machines]\ncount = 3\n")
    lab = load.load(tmp_path / "lab.toml")
    for machine in lab.machines:
        file = lab.files.vagrant / "machines" / machine.name / "virtualbox" / "id"
        file.parent.mkdir(parents=True)
        file.write_text("1")
    (lab.state / "does").write_text("true\n")
    return VagrantProvider(
        lab, Plan("virtualbox", "some/box", None, "swarmrig-book_", "swarmrig-book")
    )


def calls(provider: VagrantProvider) -> list[str]:
    return (provider.state / "calls").read_text().splitlines()


def test_only_the_removed_machine_is_destroyed_and_vagrant_knows_it(
    provider: VagrantProvider,
) -> None:
    assert provider.remove(["machine2"], quiet()) == ["machine machine2"]
    assert calls(provider) == ["destroy --force machine2 --no-tty"]
    assert "'machine2'" in (provider.state / "Vagrantfile.destroy").read_text()
    assert provider.lab.files.machines() == ["machine1", "machine3"]
    # Said again, it has nothing to do.
    assert provider.remove(["machine2"], quiet()) == []
    assert len(calls(provider)) == 1


def test_machines_that_restart_are_stopped_in_one_call(provider: VagrantProvider) -> None:
    provider.restart(["machine1", "machine3"], quiet())
    assert calls(provider) == ["halt machine1 machine3 --no-tty"]


def test_a_failure_is_reported_in_vagrants_words(provider: VagrantProvider) -> None:
    (provider.state / "does").write_text("echo; echo The machine is locked.; exit 1\n")
    with pytest.raises(MachineError, match=r"vagrant halt failed: The machine is locked\."):
        provider.restart(["machine1"], quiet())
    with pytest.raises(MachineError, match="vagrant destroy failed"):
        provider.remove(["machine1"], quiet())
