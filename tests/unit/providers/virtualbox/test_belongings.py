"""What `inv destroy` removes from VirtualBox, what it keeps and names, what it never touches."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.providers.backends import registry
from provision.providers.boxes import store
from provision.providers.libvirt import inventory as libvirts
from provision.providers.vagrant.provider import VagrantProvider
from provision.providers.vagrant.template import Plan, render
from provision.providers.virtualbox import host_only
from tests.unit.providers.virtualbox.fake_vboxmanage import FakeVirtualBox

PLAN = Plan("virtualbox", "some/box", "13.1", "swarmrig-book_", "swarmrig-book")
ONE, TWO, OTHER = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text('provider = "virtualbox"\n')
    found = load.load(tmp_path / "lab.toml")
    found.state.mkdir(parents=True)
    return found


@pytest.fixture
def virtualbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVirtualBox:
    programs = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "vagrant.d"))
    monkeypatch.setattr(host_only, "RANGES", tmp_path / "networks.conf")
    return FakeVirtualBox(programs)


@pytest.fixture
def provider(lab: Lab, virtualbox: FakeVirtualBox) -> VagrantProvider:
    return VagrantProvider(lab, PLAN)


def test_machines_are_named_and_labelled_as_the_labs(lab: Lab) -> None:
    text = render(lab, PLAN)
    assert "provider.name = 'swarmrig-book_machine2'" in text
    assert f"[\"setextradata\", :id, 'swarmrig.folder', '{lab.state}']" in text


def test_only_machines_with_the_labs_name_and_folder_are_removed(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider, tmp_path: Path
) -> None:
    virtualbox.machine(ONE, "swarmrig-book_machine1", lab.state)
    virtualbox.machine(TWO, "swarmrig-book_machine2", tmp_path / "elsewhere")
    virtualbox.machine(OTHER, "swarmrig-book_machine3")
    virtualbox.machine("44444444-dddd", "debian-13_master", lab.state)
    assert provider.leftovers() == ["machine swarmrig-book_machine1"]
    assert provider.backend.purge(lab) == ["machine swarmrig-book_machine1 (VirtualBox)"]
    assert virtualbox.machines == {
        "swarmrig-book_machine2",
        "swarmrig-book_machine3",
        "debian-13_master",
    }
    assert provider.leftovers() == []


def test_a_lab_whose_state_folder_was_lost_is_found_by_its_label(
    lab: Lab, virtualbox: FakeVirtualBox
) -> None:
    virtualbox.machine(ONE, "swarmrig-book_machine1", lab.state)
    lab.state.rmdir()
    assert registry.backend("virtualbox").purge_orphans(lab) != []
    assert virtualbox.machines == set()


def test_the_interface_that_was_made_for_the_lab_goes_with_it(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider
) -> None:
    virtualbox.interface("vboxnet0", "10.1.2.1")
    provider.backend.prepare(lab)
    virtualbox.interface("vboxnet1", "192.168.56.1")
    provider.backend.prepare(lab)  # as with a second up
    assert provider.backend.purge(lab) == ["host-only interface vboxnet1"]
    assert virtualbox.interfaces == {"vboxnet0"}


@pytest.mark.parametrize("why", ["there before", "used by another", "nothing written down"])
def test_an_interface_of_others_is_kept_and_named(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider, why: str
) -> None:
    if why == "there before":
        virtualbox.interface("vboxnet0", "192.168.56.1")
    if why != "nothing written down":
        provider.backend.prepare(lab)
    virtualbox.interface("vboxnet0", "192.168.56.1")
    if why == "used by another":
        virtualbox.machine(OTHER, "somebody's", adapter="vboxnet0")
    (line,) = provider.stays()
    assert "VBoxManage hostonlyif remove vboxnet0" in line
    assert provider.backend.purge(lab) == []
    assert virtualbox.interfaces == {"vboxnet0"}


def test_box_and_master_are_kept_and_named_with_their_commands(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider
) -> None:
    box = store.store() / "some-VAGRANTSLASH-box" / "13.1" / "virtualbox"
    box.mkdir(parents=True)
    (box / "master_id").write_text(OTHER)
    virtualbox.machine(OTHER, "debian-13_1700000000_1")
    first, second = provider.stays()
    assert first == (
        "box some/box 13.1 (vagrant box remove some/box --provider virtualbox --box-version 13.1)"
    )
    assert second.endswith(f"debian-13_1700000000_1 (VBoxManage unregistervm {OTHER} --delete)")


@pytest.mark.parametrize("label", [True, False])
def test_a_machine_of_that_name_which_is_not_the_labs_is_refused_before_anything_is_made(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider, tmp_path: Path, label: bool
) -> None:
    virtualbox.machine(ONE, "swarmrig-book_machine1", tmp_path / "elsewhere" if label else None)
    problem = provider.backend.conflict(lab)
    assert problem is not None
    assert "lab.toml: name: VirtualBox has swarmrig-book_machine1" in str(problem)
    assert ("elsewhere" in str(problem)) == label
    assert f"VBoxManage unregistervm {ONE} --delete" in problem.advice


def test_machines_of_before_they_had_labels_are_the_labs_by_vagrants_memory(
    lab: Lab, virtualbox: FakeVirtualBox, provider: VagrantProvider
) -> None:
    virtualbox.machine(ONE, "swarmrig-book_machine1")
    noted = lab.state / "vagrant/machines/machine1/virtualbox/id"
    noted.parent.mkdir(parents=True)
    noted.write_text(ONE)
    assert provider.backend.conflict(lab) is None


def test_what_others_keep_of_a_box_is_named_too(
    lab: Lab, virtualbox: FakeVirtualBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirts, "image_of_box", lambda *_: Path("/images/box.img"))
    libvirt = VagrantProvider(lab, replace(PLAN, provider="libvirt"))
    assert libvirt.stays() == ["libvirt's copy of that box (virsh vol-delete /images/box.img)"]
    docker = VagrantProvider(lab, replace(PLAN, provider="docker", box="swarmrig/machine"))
    assert docker.stays() == ["image swarmrig/machine:13.1 (docker image rm swarmrig/machine:13.1)"]
