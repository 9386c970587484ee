"""Containers as one of Vagrant's providers, as far as that needs no engine."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from provision.lab.load import load
from provision.lab.model import Lab
from provision.providers import machine_key, naming
from provision.providers.backend import Acceleration
from provision.providers.backends import registry
from provision.providers.containers import backend, belongings, engine
from provision.providers.containers.backend import Docker
from provision.providers.vagrant import plan, requirements
from provision.support.errors import UserError

SLOW = Acceleration("qemu", False, "there is no /dev/kvm")
FAST = Acceleration("kvm", True, "a Linux guest ran on KVM")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text("")
    return load(tmp_path / "lab.toml")


def test_the_labs_key_is_made_once_and_only_its_public_half_goes_into_machines(lab: Lab) -> None:
    lab.state.mkdir(parents=True)
    backend._keep_key(lab.state)
    private = (lab.state / machine_key.NAME).read_text()
    backend._keep_key(lab.state)
    assert (lab.state / machine_key.NAME).read_text() == private
    assert (lab.state / machine_key.NAME).stat().st_mode & 0o777 == 0o600
    key = paramiko.RSAKey.from_private_key_file(str(lab.state / machine_key.NAME))
    environment = (lab.state / backend.ENVIRONMENT).read_text()
    assert environment == f"SWARMRIG_KEY=ssh-rsa {key.get_base64()}\n"


def test_a_box_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('provider = "docker"\nbox = "debian/bookworm64"\n')
    with pytest.raises(UserError, match='box: provider "docker" makes its machines of an image'):
        Docker().own_image(load(tmp_path / "lab.toml"), print)


def container(lab: Lab, name: str, **values: object) -> dict[str, object]:
    return {"Name": f"/swarmrig-{lab.name}_{name}", **values}


def test_a_machine_whose_sshd_is_not_published_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2201"}]}
    found = [container(lab, "machine1", NetworkSettings={"Ports": ports})]
    monkeypatch.setattr(belongings, "containers", lambda *_: found)
    with pytest.raises(Exception, match="machine2: its container does not run"):
        belongings.ssh_ports(lab)
    found.append(container(lab, "machine2", NetworkSettings={"Ports": ports}))
    assert belongings.ssh_ports(lab)["machine2"] == ("127.0.0.1", 2201)


def test_a_container_of_the_same_name_without_the_labs_labels_is_somebody_elses(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = container(lab, "machine1", Config={"Labels": None})
    monkeypatch.setattr(engine, "listed", lambda what, *_: [other] if what == "inspect" else [])
    monkeypatch.setattr(engine, "ask", lambda *_: "")
    problem = belongings.conflict(lab)
    assert problem
    assert "Docker has swarmrig-book_machine1 already, which is not the lab's" in str(problem)


@pytest.mark.parametrize("subnet", ["10.9.0.0/24", "the lab's"])
def test_a_network_that_somebody_has_made_since_is_neither_removed_nor_used(
    subnet: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    config = [{"Subnet": lab.subnet if subnet == "the lab's" else subnet}]
    theirs = {"Name": naming.network(lab.name), "Labels": {}, "IPAM": {"Config": config}}
    monkeypatch.setattr(engine, "listed", lambda *_: [theirs])
    monkeypatch.setattr(engine, "ask", lambda *words: asked.append(words))
    with pytest.raises(UserError, match=f"Docker has {theirs['Name']} already, which is not the"):
        belongings.ensure_network(lab)
    assert asked == []


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each provider lacks on the host that is played."""
    lacks = {one.name: "not here" for one in registry.backends()}
    for one in registry.backends():
        monkeypatch.setattr(one, "missing", lambda name=one.name: lacks[name])
        monkeypatch.setattr(one, "unusable", lambda _: "")
    monkeypatch.setattr(requirements, "check_vagrant", lambda: "2.3.4")
    return lacks


@pytest.mark.parametrize(
    ("usable", "runs", "chosen"),
    [
        (("libvirt", "docker"), FAST, "libvirt"),
        (("libvirt", "docker"), SLOW, "docker"),
        (("libvirt",), SLOW, "libvirt"),
        (("docker",), SLOW, "docker"),
        (("virtualbox", "docker"), SLOW, "virtualbox"),
    ],
)
def test_machines_are_containers_where_virtual_ones_would_be_emulated(
    lab: Lab,
    host: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    usable: tuple[str, ...],
    runs: Acceleration,
    chosen: str,
) -> None:
    monkeypatch.setattr(registry.backend("libvirt"), "acceleration", lambda *_: runs)
    host.update(dict.fromkeys(usable, ""))
    name, why = plan.choose_provider(lab)
    assert name == chosen
    if usable == ("libvirt", "docker") and runs is SLOW:
        assert "would be emulated here, which is slow (there is no /dev/kvm)" in why


def test_kvm_is_not_tried_where_there_is_nothing_to_choose(
    lab: Lab, host: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial takes up to 20 s, and is made later anyway."""

    def tried(fresh: bool = False) -> Acceleration:
        raise AssertionError("KVM was tried")

    monkeypatch.setattr(registry.backend("libvirt"), "acceleration", tried)
    host["libvirt"] = ""
    assert plan.choose_provider(lab)[0] == "libvirt"
