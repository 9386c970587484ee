"""A provider is one backend: one that is defined here alone goes through a lab's whole life."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from provision.cli import host
from provision.diagnostics import doctor, versions
from provision.lab import load
from provision.lab.model import PROVIDERS, Lab
from provision.lifecycle import checkpoints, destroy, status
from provision.providers import conflicts, select
from provision.providers.backend import Backend
from provision.providers.backends import registry
from provision.providers.base import MachineState
from provision.providers.boxes import select as boxes
from provision.providers.vagrant.provider import VagrantProvider
from provision.providers.vagrant.template import Plan
from provision.support.errors import UserError
from tests.support.progress import quiet

FAKE = """#!/bin/sh
case $1 in
  --version) echo Vagrant 2.3.4 ;;
  up) echo "$*" > called
      for m in machine1 machine2; do
        mkdir -p "$VAGRANT_DOTFILE_PATH/machines/$m/made_up"
        echo id > "$VAGRANT_DOTFILE_PATH/machines/$m/made_up/id"
      done ;;
  destroy) rm -rf "$VAGRANT_DOTFILE_PATH/machines" ;;
esac
"""


class MadeUp(Backend):
    name = "made_up"
    boxes: Mapping[str, str] = MappingProxyType({"trixie": "made/up"})
    no_checkpoints = "Provider made_up keeps no checkpoints."

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: ("echo", "1.2.3")}

    def states(self, lab: Lab, known: set[str]) -> dict[str, MachineState]:
        return {m.name: "running" if m.name in known else "absent" for m in lab.machines}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SWARMRIG_REGISTRY", str(tmp_path / "labs"))
    monkeypatch.setattr(conflicts, "host_networks", dict)
    monkeypatch.setattr(conflicts, "host_routes", list)
    monkeypatch.setattr(boxes, "unreachable", lambda: "")
    registry.register(MadeUp())
    (tmp_path / "lab.toml").write_text('provider = "made_up"\n')
    yield load.load(tmp_path / "lab.toml")
    registry.unregister("made_up")


def test_it_goes_through_doctor_render_up_status_and_destroy(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = {finding.what: finding.state for finding in doctor.examine(lab)}
    assert findings["provider made_up: can be used"] == "ok"
    assert "missing" not in findings.values()

    host.render(str(lab.file))
    text = capsys.readouterr().out
    assert "config.vm.box = 'made/up'" in text
    address = "ip: '192.168.56.12', netmask: '255.255.255.0'"
    assert f'machine.vm.network "private_network", {address}' in text
    assert "machine.vm.provider 'made_up' do |provider|" in text
    assert text.count("provider.cpus = 1\n      provider.memory = 1024") == 2

    provider, notes = select.choose(lab, quiet())
    assert notes[0] == "provider made_up: named in lab.toml"
    assert status.look(lab)["provider"] == ""
    provider.up(quiet())
    assert "up --provider=made_up" in (lab.state / "called").read_text()
    seen = status.look(lab)
    assert seen["provider"] == "made_up"
    assert [machine["state"] for machine in seen["machines"]] == ["running", "running"]
    assert versions.provider_tools("made_up") == {"vagrant": "2.3.4", "made_up": "1.2.3"}
    with pytest.raises(UserError, match="Provider made_up keeps no checkpoints"):
        checkpoints.listed(lab, provider)

    removed = destroy.destroy(lab, quiet())
    assert removed[:2] == ["machine machine1", "machine machine2"]
    assert not lab.state.exists()


def test_a_provider_that_is_not_registered_is_refused_everywhere(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('provider = "made_up"\n')
    with pytest.raises(UserError, match='provider: given "made_up"; allowed: "auto"'):
        load.load(tmp_path / "lab.toml")
    with pytest.raises(UserError, match="no provider 'made_up'"):
        registry.backend("made_up")
    with pytest.raises(UserError) as caught:
        registry.backend("virtual_box")
    assert caught.value.advice == "did you mean 'virtualbox'?"
    (tmp_path / "lab.toml").write_text("")
    lab = load.load(tmp_path / "lab.toml")
    with pytest.raises(UserError, match="no provider 'made_up'"):
        VagrantProvider(lab, Plan("made_up", "b", None, "p", "n"))
    assert versions.provider_tools("hosts") == {}


def test_the_definition_knows_the_registered_providers_and_no_others() -> None:
    assert {backend.name for backend in registry.backends()} == {*PROVIDERS} - {"auto", "hosts"}
    # The preferred one first.
    assert registry.backends()[0].name == "libvirt"
