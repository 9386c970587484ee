"""Two labs on one host: what they would share is found before anything boots."""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.lock import holding
from provision.lab.model import Lab
from provision.providers import conflicts, lab_index
from provision.providers.boxes import select
from provision.providers.libvirt import inventory, networks
from provision.support.errors import UserError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has no networks and whose libvirt has nothing."""
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(conflicts, "host_networks", dict)
    monkeypatch.setattr(conflicts, "host_routes", list)
    monkeypatch.setattr(inventory, "foreign_domains", lambda *_: {})
    monkeypatch.setattr(networks, "subnets", dict)
    monkeypatch.setattr(networks, "bridge", lambda _: "")
    monkeypatch.setattr(inventory, "has_machines_of", lambda _: True)


def lab(folder: Path, name: str = "book", subnet: str = "192.168.56.0/24", more: str = "") -> Lab:
    folder.mkdir(exist_ok=True)
    file = folder / "lab.toml"
    file.write_text(f'name = "{name}"\n[network]\nsubnet = "{subnet}"\n{more}')
    return load.load(file)


def test_a_name_that_another_folder_has_is_reported_with_the_folder(tmp_path: Path) -> None:
    conflicts.check(lab(tmp_path / "a"), "libvirt")
    with pytest.raises(UserError) as caught:
        conflicts.check(lab(tmp_path / "b", subnet="10.1.0.0/24"), "libvirt")
    assert "lab.toml: name: lab 'book' of" in str(caught.value)
    assert str(tmp_path / "a" / "lab.toml") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_subnet_that_another_lab_has_is_reported(tmp_path: Path) -> None:
    conflicts.check(lab(tmp_path / "a", "one"), "libvirt")
    with pytest.raises(UserError, match=r"network\.subnet: 192\.168\.56\.0/25 overlaps") as caught:
        conflicts.check(lab(tmp_path / "b", "two", subnet="192.168.56.0/25"), "virtualbox")
    assert "the network.subnet of lab 'one' of" in str(caught.value)


def test_a_management_network_that_another_lab_has_is_reported(tmp_path: Path) -> None:
    more = 'management = "10.9.9.0/24"'
    conflicts.check(lab(tmp_path / "a", "one", more=more), "libvirt")
    with pytest.raises(UserError, match=r"network\.management: 10\.9\.9\.0/24 overlaps"):
        conflicts.check(lab(tmp_path / "b", "two", "10.1.0.0/24", more), "libvirt")


def test_labs_that_share_nothing_are_both_let_up_and_the_same_one_again(tmp_path: Path) -> None:
    one = lab(tmp_path / "a", "one")
    conflicts.check(one, "libvirt")
    conflicts.check(lab(tmp_path / "a", "two", "10.1.0.0/24"), "libvirt")
    conflicts.check(one, "libvirt")
    assert [note.name for note in lab_index.others(one)] == ["two"]


def test_a_lab_whose_machines_are_gone_does_not_clash_unless_it_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "has_machines_of", lambda _: False)
    first = lab(tmp_path / "a")
    with holding(first.state, "up"):
        conflicts.check(first, "libvirt")
        with pytest.raises(UserError, match="lab 'book' of"):
            conflicts.check(lab(tmp_path / "b"), "libvirt")
        (first.state / "lab.toml").touch()
    conflicts.check(lab(tmp_path / "b"), "libvirt")


@pytest.mark.parametrize("made", [True, False])
def test_machines_of_other_providers_are_those_that_vagrant_remembers(
    tmp_path: Path, made: bool
) -> None:
    first = lab(tmp_path / "a")
    conflicts.check(first, "virtualbox")
    if made:
        (first.state / "vagrant" / "machines" / "machine1" / "virtualbox").mkdir(parents=True)
        (first.state / "vagrant" / "machines" / "machine1" / "virtualbox" / "id").touch()
    assert bool(lab_index.others(lab(tmp_path / "b"))) == made


def test_a_lab_whose_folder_is_gone_does_not_clash(tmp_path: Path) -> None:
    first = lab(tmp_path / "a")
    conflicts.check(first, "libvirt")
    first.state.rmdir()
    conflicts.check(lab(tmp_path / "b"), "libvirt")


def test_a_lab_that_was_destroyed_does_not_clash(tmp_path: Path) -> None:
    first = lab(tmp_path / "a")
    conflicts.check(first, "libvirt")
    lab_index.forget(first.state)
    conflicts.check(lab(tmp_path / "b"), "libvirt")


def test_machines_that_libvirt_has_of_another_folder_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"swarmrig-book_machine1": "/home/ann/.swarmrig/book"}
    monkeypatch.setattr(inventory, "foreign_domains", lambda *_: theirs)
    mine = lab(tmp_path / "a")
    with pytest.raises(UserError, match="of a lab 'book' in /home/ann"):
        conflicts.check(mine, "libvirt")
    # A lab that may not come up is an existing one.
    assert lab_index.others(lab(tmp_path / "b", "two")) == []


def test_a_network_of_libvirts_is_reported_and_the_labs_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lab(tmp_path / "a")
    subnet = IPv4Network("192.168.56.0/24")
    monkeypatch.setattr(networks, "subnets", lambda: {"swarmrig-book": subnet})
    conflicts.check(mine, "libvirt")
    monkeypatch.setattr(networks, "subnets", lambda: {"default": subnet})
    with pytest.raises(UserError, match="of libvirt's network 'default'"):
        conflicts.check(mine, "libvirt")


def test_the_bridge_of_a_half_made_lab_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lab(tmp_path / "a")
    there = {"virbr7": [IPv4Network("192.168.56.0/24")]}
    monkeypatch.setattr(conflicts, "host_networks", lambda: there)
    with pytest.raises(UserError, match="virbr7 has"):
        conflicts.check(mine, "libvirt")
    monkeypatch.setattr(
        networks, "bridge", lambda name: "virbr7" if name == "swarmrig-book" else ""
    )
    conflicts.check(mine, "libvirt")


def test_another_disk_under_the_boxs_name_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path))
    stored = tmp_path / "boxes" / "a-VAGRANTSLASH-b" / "1.0" / "amd64" / "libvirt" / "box.img"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"1234")
    theirs = tmp_path / "pool.img"
    theirs.write_bytes(b"1234")
    monkeypatch.setattr(inventory, "image_of_box", lambda *_: theirs)
    choice = select.Choice("a/b", "1.0", "")
    conflicts.check_box(lab(tmp_path / "a"), "libvirt", choice)
    theirs.write_bytes(b"12345")
    with pytest.raises(UserError, match="has 5 bytes, the box 4"):
        conflicts.check_box(lab(tmp_path / "a"), "libvirt", choice)


def test_a_subnet_that_the_host_uses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = lab(tmp_path)
    monkeypatch.setattr(
        conflicts, "host_networks", lambda: {"eth7": [IPv4Network("192.168.0.0/16")]}
    )
    (first, _) = conflicts.clashes(here)
    assert first == (
        "lab.toml: network.subnet: 192.168.56.0/24 is in use on this host: eth7 has 192.168.0.0/16"
    )
    monkeypatch.setattr(conflicts, "host_networks", lambda: {"eth7": [IPv4Network("10.0.0.0/8")]})
    assert conflicts.clashes(here) == []


@pytest.mark.parametrize(
    ("route", "refused"),
    [
        ("192.168.56.0/24", True),
        ("192.168.56.128/25", True),
        ("192.168.56.77/32", True),
        # The lab's own route is the closer one.
        ("192.168.0.0/16", False),
        ("10.0.0.0/8", False),
    ],
)
def test_a_route_of_a_vpn_into_the_labs_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: str, refused: bool
) -> None:
    monkeypatch.setattr(conflicts, "host_routes", lambda: [(IPv4Network(route), "tun0")])
    found = conflicts.clashes(lab(tmp_path / "a"))
    assert bool(found) == refused
    if refused:
        assert (
            f"192.168.56.0/24 is routed elsewhere by this host, as a VPN does: {route}" in found[0]
        )
    # The lab's own bridge, of a lab that is up.
    assert conflicts.clashes(lab(tmp_path / "a"), {"tun0"}) == []


def test_routes_are_those_that_were_set_and_not_those_of_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    program = tmp_path / "ip"
    program.write_text(
        "#!/bin/sh\necho '"
        '[{"dst":"default","dev":"eth0","protocol":"dhcp"},'
        '{"dst":"10.7.0.0/16","gateway":"10.8.0.1","dev":"tun0"},'
        '{"dst":"10.9.0.5","dev":"tun0","protocol":"static"},'
        '{"dst":"172.31.0.0/20","dev":"eth0","protocol":"kernel"},'
        '{"type":"blackhole","dst":"10.6.0.0/16"}]\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert conflicts.host_routes() == [
        (IPv4Network("10.7.0.0/16"), "tun0"),
        (IPv4Network("10.9.0.5/32"), "tun0"),
    ]
