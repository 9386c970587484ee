"""lab.toml: what is refused before anything is made, and addresses that do not move."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.lab import load
from provision.support.errors import DefinitionError


def complaint(folder: Path, text: str) -> str:
    (folder / "lab.toml").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load.load(folder / "lab.toml")
    return str(caught.value)


def test_more_managers_than_machines_are_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, "machines = {count = 2, managers = 3}")
    assert said == (
        "lab.toml: machines.managers: given 3; allowed: at most machines.count, which is 2"
    )


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes(b"\xef\xbb\xbfname = 'mine'\n")
    assert load.load(tmp_path / "lab.toml").name == "mine"


@pytest.mark.parametrize(
    ("subnet", "reason"),
    [
        ("127.1.0.0/24", "loopback"),
        ("224.0.1.0/24", "multicast"),
        ("0.0.1.0/24", "this network"),
        ("169.254.7.0/24", "link-local"),
        ("172.17.5.0/24", "docker0"),
        ("172.18.0.0/16", "docker_gwbridge"),
        ("10.0.0.0/16", "ingress"),
    ],
)
def test_a_subnet_in_use_by_the_system_or_docker_is_refused(
    tmp_path: Path, subnet: str, reason: str
) -> None:
    said = complaint(tmp_path, f'[network]\nsubnet = "{subnet}"\n')
    assert f"lab.toml: network.subnet: {subnet} overlaps " in said
    assert reason in said


HOSTS = """
provider = "hosts"
[[machines]]
name = "a"
address = "{address}"
{more}
[[machines]]
name = "b"
address = "192.0.2.2"
"""


@pytest.mark.parametrize("address", ["web1", "fd00::1", "host.example"])
def test_a_host_without_an_ipv4_address_needs_a_private_one(tmp_path: Path, address: str) -> None:
    said = complaint(tmp_path, HOSTS.format(address=address, more=""))
    assert f'machines[1].private_address: missing; address "{address}" is no IPv4 address' in said
    more = 'private_address = "192.0.2.1"'
    (tmp_path / "lab.toml").write_text(HOSTS.format(address=address, more=more))
    assert load.load(tmp_path / "lab.toml").machines[0].address == "192.0.2.1"


def test_a_host_with_an_ipv4_address_needs_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(HOSTS.format(address="192.0.2.1", more=""))
    assert load.load(tmp_path / "lab.toml").machines[0].address == "192.0.2.1"


def test_a_symlinked_folder_is_the_folder_that_it_points_to(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "lab.toml").write_text("")
    (tmp_path / "link").symlink_to(real)
    file = load.find_file(str(tmp_path / "link" / "lab.toml"))
    assert file == real / "lab.toml"
    assert load.load(tmp_path / "link" / "lab.toml").state == real / ".swarmrig" / "book"


def test_machines_keep_their_addresses_when_one_is_removed_and_one_added(tmp_path: Path) -> None:
    def addresses(*names: str) -> dict[str, str]:
        text = "".join(f'[[machines]]\nname = "{name}"\n' for name in names)
        (tmp_path / "lab.toml").write_text(text)
        lab = load.load(tmp_path / "lab.toml")
        return {machine.name: machine.address for machine in lab.machines}

    first = addresses("a", "b", "c")
    kept = tmp_path / ".swarmrig" / "book" / "addresses.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(first))
    # "b" exists until the next `up` has removed it: its address is not free yet.
    assert addresses("a", "c", "d") == {
        "a": first["a"],
        "c": first["c"],
        "d": "192.168.56.14",
    }


def test_a_kept_copy_is_read_though_files_that_it_names_are_gone(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text('[images]\narchives = ["gone.tar"]\n[network]\nsubnet = "10.0.0.0/24"\n')
    assert load.load_copy(copy, tmp_path / "lab.toml").subnet == "10.0.0.0/24"


def test_no_machine_is_called_localhost(tmp_path: Path) -> None:
    said = complaint(tmp_path, '[[machines]]\nname = "localhost"\n[[machines]]\nname = "b"\n')
    assert said == 'lab.toml: machines[1].name: "localhost" is every machine itself'
