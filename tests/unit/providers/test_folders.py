"""Whose machines are whose, where folders are reached by links or may not be looked into."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provision.lab import load
from provision.providers import conflicts, lab_index
from provision.providers.libvirt import inventory, virsh
from provision.providers.virtualbox.backend import VirtualBox

PREFIX = "swarmrig-book_"
DOMAIN = f"{PREFIX}machine1"


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """libvirt's domains, each with its description."""
    domains: dict[str, str] = {}

    def run(*args: str, check: bool = True, limit: float = 60) -> str:
        if args[0] == "desc":
            return domains[args[1]] + "\n"
        return "\n".join(domains) if args[0] == "list" else ""

    monkeypatch.setattr(virsh, "run", run)
    return domains


@pytest.fixture
def unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that this user may not look into."""
    hidden = tmp_path / "ann" / ".swarmrig" / "book"
    is_dir = Path.is_dir

    def refuse(path: Path) -> bool:
        if hidden in (path, *path.parents):
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refuse)
    return hidden


def linked(tmp_path: Path) -> tuple[Path, Path]:
    """A state folder by its own path, and by one through a link."""
    real = tmp_path / "real" / ".swarmrig" / "book"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    return real, tmp_path / "link" / ".swarmrig" / "book"


def test_a_folder_behind_a_link_is_the_same_folder(tmp_path: Path, libvirt: dict[str, str]) -> None:
    real, link = linked(tmp_path)
    for source, state in ((real, link), (link, real)):
        libvirt[DOMAIN] = f"Source: {source}/Vagrantfile"
        assert inventory.foreign_domains(PREFIX, state) == {}
        assert inventory.has_machines_of(state)
        assert inventory.belongings(PREFIX, "swarmrig-book", state)["domain"] == [DOMAIN]


def test_a_domain_of_a_folder_that_may_not_be_read_is_somebody_elses(
    tmp_path: Path, libvirt: dict[str, str], unreadable: Path
) -> None:
    libvirt[DOMAIN] = f"Source: {unreadable}/Vagrantfile"
    own = tmp_path / "own"
    assert inventory.foreign_domains(PREFIX, own) == {DOMAIN: str(unreadable)}
    assert inventory.purge(PREFIX, "swarmrig-book", own) == []


def test_a_domain_of_a_folder_that_is_gone_or_of_none_is_nobodys(
    tmp_path: Path, libvirt: dict[str, str]
) -> None:
    libvirt[DOMAIN] = f"Source: {tmp_path}/gone/Vagrantfile"
    assert inventory.foreign_domains(PREFIX, tmp_path / "own") == {}
    libvirt[DOMAIN] = ""
    assert inventory.foreign_domains(PREFIX, tmp_path / "own") == {}


def test_a_lab_does_not_clash_with_itself_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMRIG_REGISTRY", str(tmp_path / "labs"))
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    real, _ = linked(tmp_path)
    (tmp_path / "real" / "lab.toml").write_text("")
    (real / "vagrant" / "machines" / "machine1" / "virtualbox").mkdir(parents=True)
    (real / "vagrant" / "machines" / "machine1" / "virtualbox" / "id").touch()
    lab_index.register(load.load(tmp_path / "real" / "lab.toml"), "virtualbox")
    behind = load.load(tmp_path / "link" / "lab.toml")
    assert lab_index.others(behind) == []
    lab_index.register(behind, "virtualbox")
    lab_index.forget(behind.state)
    assert list((tmp_path / "labs").glob("*.json")) == []


def test_a_lab_of_a_folder_that_may_not_be_read_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: Path
) -> None:
    monkeypatch.setenv("SWARMRIG_REGISTRY", str(tmp_path / "labs"))
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    for owner in ("ann", "me"):
        (tmp_path / owner).mkdir()
        (tmp_path / owner / "lab.toml").write_text("")
    lab_index.register(load.load(tmp_path / "ann" / "lab.toml"), "virtualbox")
    assert [note.state for note in lab_index.others(load.load(tmp_path / "me" / "lab.toml"))] == [
        str(unreadable)
    ]


def test_only_a_provider_with_a_management_network_can_clash_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lab.toml").write_text('[network]\nmanagement = "10.9.9.0/24"\n')
    lab = load.load(tmp_path / "lab.toml")
    monkeypatch.setattr(conflicts, "host_networks", lambda: {"eth0": [IPv4Network("10.9.9.0/24")]})
    assert not VirtualBox.management_network
    conflicts.check(lab, "virtualbox")
