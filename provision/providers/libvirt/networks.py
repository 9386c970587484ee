"""A lab's two networks in libvirt."""

from __future__ import annotations

import contextlib
import tempfile
from ipaddress import IPv4Interface, IPv4Network
from xml.etree import ElementTree

from provision.providers.libvirt import virsh

_NETWORK = """<network ipv6='yes' xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{name}</name>{forward}
  <bridge stp='off' delay='0'/>
  <ip address='{host}' netmask='{mask}'>{dhcp}</ip>{options}
</network>
"""
# Before it offers an address, dnsmasq pings it for three seconds, and answers no other machine
# meanwhile: two machines that boot together wait for six. On this network there are only machines
# that ask for their address, and dnsmasq knows what it has given. Source: dnsmasq(8), --no-ping.
_NO_PING = "\n  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>"


def ensure_networks(name: str, subnet: str, management: str) -> list[str]:
    """Define the lab's two networks where they are missing, and start them; returns those made.

    As vagrant-libvirt would make them (it uses an existing one of that name and address), but
    without the spanning tree: with one bridge there is no loop, and after each start of a machine
    it would hold its packets back for four seconds. Nor are addresses pinged before they are given.
    Source: https://libvirt.org/formatnetwork.html
    """
    defined = set(virsh.run("net-list", "--all", "--name").split())
    active = set(virsh.run("net-list", "--name").split())
    made = []
    for network, addresses in ((name, subnet), (f"{name}-mgmt", management)):
        if network not in defined:
            _define(network, IPv4Network(addresses), reached=network != name)
            made.append(f"network {network}")
        if network not in active:
            virsh.run("net-start", network)
    return made


def _define(name: str, addresses: IPv4Network, reached: bool) -> None:
    first, second, last = addresses[1], addresses[2], addresses[-2]
    text = _NETWORK.format(
        name=name,
        forward="\n  <forward mode='nat'/>" if reached else "",
        host=first,
        mask=addresses.netmask,
        dhcp=f"<dhcp><range start='{second}' end='{last}'/></dhcp>" if reached else "",
        options=_NO_PING if reached else "",
    )
    with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        virsh.run("net-define", file.name)


def subnets() -> dict[str, IPv4Network]:
    """The IPv4 subnet of each of libvirt's networks that has one, inactive ones too."""
    found = {}
    for name in virsh.run("net-list", "--all", "--name").split():
        # The XML is libvirt's own output.
        for ip in ElementTree.fromstring(virsh.run("net-dumpxml", name)).findall("ip"):  # noqa: S314
            address, mask = ip.get("address", ""), ip.get("netmask") or ip.get("prefix")
            with contextlib.suppress(ValueError):
                found[name] = IPv4Interface(f"{address}/{mask}").network
    return found


def bridge(network: str) -> str:
    """The bridge of an active network, "" where there is none."""
    for line in virsh.run("net-info", network, check=False).splitlines():
        if line.startswith("Bridge:"):
            return line.split(maxsplit=1)[1].strip()
    return ""
