"""A lab's networks in libvirt, and the addresses that it gives there; virsh plays a part."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from xml.etree import ElementTree

import pytest

from provision.lab import load
from provision.providers import machine_key
from provision.providers.libvirt import inventory, networks, virsh
from provision.providers.libvirt.backend import Libvirt

SUBNET = IPv4Network("192.168.173.0/24")
DNSMASQ = "{http://libvirt.org/schemas/network/dnsmasq/1.0}option"


class Virsh:
    """virsh, which keeps what it is given to define and answers with leases."""

    def __init__(self, leases: dict[str, str]) -> None:
        self.leases = leases
        self.defined: list[str] = []

    def run(self, *words: str, check: bool = True, limit: float = 60) -> str:
        if words[0] == "net-define":
            self.defined.append(Path(words[1]).read_text())
        if words[0] == "domifaddr":
            return self.leases.get(words[1], "")
        return ""


def lease(address: str, protocol: str = "ipv4") -> str:
    return f" vnet0      52:54:00:61:b2:0f    {protocol}         {address}\n"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Virsh:
    there = Virsh({})
    monkeypatch.setattr(virsh, "run", there.run)
    return there


def test_addresses_are_not_pinged_before_machines_get_them(played: Virsh) -> None:
    networks.ensure_networks("swarmrig-book", "192.168.56.0/24", str(SUBNET))
    options = {}
    for text in played.defined:
        network = ElementTree.fromstring(text)  # noqa: S314 - our own text
        found = [option.get("value") for option in network.iter(DNSMASQ)]
        options[network.findtext("name")] = found
    # On the lab's own network there is no DHCP.
    assert options == {"swarmrig-book": [], "swarmrig-book-mgmt": ["no-ping"]}


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (lease("192.168.173.77/24"), "192.168.173.77"),
        (lease("fe80::1/64", "ipv6") + lease("192.168.173.77/24"), "192.168.173.77"),
        (lease("10.0.0.7/24") + lease("192.168.173.77/24"), "192.168.173.77"),
        (lease("192.168.173.77/24") * 2, "192.168.173.77"),
        # One of them is of an earlier time, and which one it is does not show.
        (lease("192.168.173.77/24") + lease("192.168.173.78/24"), None),
        (lease("10.0.0.7/24"), None),
        ("", None),
    ],
)
def test_a_machines_address_is_the_one_that_dhcp_has_given_it(
    played: Virsh, said: str, address: str | None
) -> None:
    played.leases = {"swarmrig-book_machine1": said}
    found = inventory.addresses("swarmrig-book_", ["machine1", "machine2"], SUBNET)
    assert found == ({"machine1": address} if address else {})


def test_vagrant_is_asked_only_where_libvirt_does_not_know_the_way(
    played: Virsh, tmp_path: Path
) -> None:
    (tmp_path / "lab.toml").write_text("")
    lab = load.load(tmp_path / "lab.toml")
    net = lab.management_subnet.rpartition(".")[0]
    played.leases = {f"swarmrig-{lab.name}_machine{n}": lease(f"{net}.7{n}/24") for n in (1, 2)}
    said = Libvirt().ssh_config(lab, own_key=True)
    for number in (1, 2):
        assert (
            f"Host machine{number}\n  HostName {net}.7{number}\n  Port 22\n  User vagrant\n"
            f"  IdentityFile {lab.state / machine_key.NAME}\n"
        ) in said
    # A machine of another box may have another login and another key.
    assert Libvirt().ssh_config(lab, own_key=False) == ""
    del played.leases[f"swarmrig-{lab.name}_machine2"]
    assert Libvirt().ssh_config(lab, own_key=True) == ""
