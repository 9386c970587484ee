"""The test driver on real daemons: a swarm network of a plugin that spans two hosts."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.vxlan import VXLAN
from scapy.sendrecv import AsyncSniffer
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision.lifecycle import up
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.support.progress import quiet
from tests.vxlan_driver import package

NETWORK = "tunnel"
SUBNET = "10.1.1.0/24"


def rules(host: Host) -> str:
    return host.exec("iptables", "-S", "FORWARD").stdout


def install(host: Host, addresses: list[str]) -> None:
    """The plugin on a host, without a registry: from its archive, set and enabled."""
    host.exec("mkdir", "-p", "/root/plugin")
    host.exec("tar", "xz", "-C", "/root/plugin", file=package.archive())
    host.exec("docker", "plugin", "create", package.NAME, "/root/plugin")
    host.exec("rm", "-rf", "/root/plugin")
    settings = [f"{key}={value}" for key, value in package.settings(addresses).items()]
    host.exec("docker", "plugin", "set", package.NAME, *settings)
    host.exec("docker", "plugin", "enable", package.NAME)


def remove(host: Host) -> None:
    host.exec("docker", "plugin", "rm", "--force", package.NAME, check=False)


@pytest.fixture(scope="module")
def plugin(two_hosts: list[Host]) -> Iterator[None]:
    for host in two_hosts:
        install(host, [each.address for each in two_hosts])
    yield
    for host in two_hosts:
        remove(host)


@pytest.fixture
def swarm(two_hosts: list[Host], lab_of: Labs) -> list[Host]:
    up.up(lab_of(two_hosts), quiet())
    return two_hosts


def create_network(manager: Host, *options: str) -> dict[str, Any]:
    manager.exec(
        *("docker", "network", "create", "--driver", package.NAME, "--subnet", SUBNET),
        *options,
        NETWORK,
    )
    inspected = json.loads(manager.exec("docker", "network", "inspect", NETWORK).stdout)
    return dict(inspected[0])


def task(host: Host, service: str) -> tuple[str, str]:
    """The container of a service on a host, and its address in the network."""
    name = host.exec("docker", "ps", "-q", "--filter", f"name={service}").stdout.strip()
    form = f"{{{{.NetworkSettings.Networks.{NETWORK}.IPAddress}}}}"
    return name, host.exec("docker", "inspect", "-f", form, name).stdout.strip()


@pytest.fixture
def network(swarm: list[Host], plugin: None) -> Iterator[dict[str, Any]]:
    """A network of the driver, with a service's one task on each host."""
    made = create_network(swarm[0])
    create_services(swarm)
    yield made
    remove_network(swarm)


def create_services(swarm: list[Host]) -> None:
    for host in swarm:
        swarm[0].exec(
            *("docker", "service", "create", "--detach=false", "--quiet", "--no-resolve-image"),
            *("--network", NETWORK, "--name", f"on-{host.name}"),
            # A first process like `sleep` heeds no SIGTERM.
            *("--stop-grace-period", "100ms"),
            *("--constraint", f"node.hostname=={host.name}", roots.TAG, "sleep", "600"),
        )


def remove_network(swarm: list[Host]) -> None:
    manager = swarm[0]
    manager.exec("docker", "service", "rm", *(f"on-{host.name}" for host in swarm), check=False)

    def left() -> bool:
        manager.exec("docker", "network", "rm", NETWORK, check=False)
        return any(NETWORK in host.exec("docker", "network", "ls").stdout for host in swarm)

    Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.5), retry=retry_if_result(bool))(left)


def wait_until_gone(swarm: list[Host]) -> None:
    """The engine forgets a network a moment before its driver has."""
    Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.3), retry=retry_if_result(bool))(
        lambda: any(own_interfaces(host) or "tdb" in rules(host) for host in swarm)
    )


def task_errors(manager: Host, service: str) -> str:
    form = "{{.Error}}"
    argv = ["docker", "service", "ps", "--no-trunc", "--format", form, service]
    return manager.exec(*argv).stdout.strip()


def ping(source: Host, target: Host) -> bool:
    container, _ = task(source, f"on-{source.name}")
    _, address = task(target, f"on-{target.name}")
    done = source.exec("docker", "exec", container, "ping", "-c2", "-w5", address, check=False)
    return done.returncode == 0


def test_task_addresses_answer_across_hosts_in_both_directions(
    network: dict[str, Any], swarm: list[Host]
) -> None:
    one, two = swarm
    assert network["Driver"] == package.NAME
    assert network["Scope"] == "swarm"
    addresses = [task(host, f"on-{host.name}")[1] for host in swarm]
    assert all(address.startswith("10.1.1.") for address in addresses), addresses
    assert ping(one, two)
    assert ping(two, one)


def test_what_crosses_the_underlay_is_vxlan_with_the_networks_own_vni(
    network: dict[str, Any], swarm: list[Host]
) -> None:
    addresses = [task(host, f"on-{host.name}")[1] for host in swarm]
    with listening() as sniffer:
        assert ping(*swarm)
    seen = list(sniffer.results or [])
    carried = [packet for packet in seen if packet[UDP].dport == package.PORT]
    inside = [packet[VXLAN] for packet in carried if ICMP in packet[VXLAN]]
    assert {packet.vni for packet in inside} == {package.vni_of(network)}
    ways = {(packet[IP].src, packet[IP].dst) for packet in inside}
    assert ways == {tuple(addresses), tuple(reversed(addresses))}
    assert carried == seen


@contextlib.contextmanager
def listening() -> Iterator[AsyncSniffer]:
    """VXLAN on the bridge between the hosts while the block runs."""
    begun = threading.Event()
    sniffer = AsyncSniffer(iface="br0", lfilter=lambda p: VXLAN in p, started_callback=begun.set)
    sniffer.start()
    assert begun.wait(10)
    yield sniffer
    sniffer.stop()


def test_without_its_udp_port_no_ping_comes_through(
    network: dict[str, Any], swarm: list[Host], fabric: Fabric
) -> None:
    assert ping(*swarm)
    with fabric.dropping("-p", "udp", "--dport", str(package.PORT)):
        assert not ping(*swarm)
    assert ping(*swarm)


def test_the_network_outlives_the_drivers_process(
    network: dict[str, Any], swarm: list[Host]
) -> None:
    swarm[1].exec("docker", "plugin", "disable", "--force", package.NAME)
    swarm[1].exec("docker", "plugin", "enable", package.NAME)
    assert ping(*swarm)


def test_removing_the_network_leaves_no_interface_and_no_rule(
    swarm: list[Host], plugin: None
) -> None:
    wait_until_gone(swarm)
    before = [rules(host) for host in swarm]
    create_network(swarm[0])
    create_services(swarm)
    for host in swarm:
        # The bridge, its VXLAN device, and the ends that containers have here.
        assert {name[:3] for name in own_interfaces(host)} == {"tdb", "tdx", "tdh"}
        assert "-i tdb" in rules(host)
    remove_network(swarm)
    wait_until_gone(swarm)
    assert [rules(host) for host in swarm] == before


def own_interfaces(host: Host) -> set[str]:
    links = json.loads(host.exec("ip", "-json", "link").stdout)
    return {link["ifname"] for link in links if link["ifname"].startswith("td")}


def test_a_node_that_is_not_among_the_peers_is_told_so_by_its_task(
    swarm: list[Host], plugin: None
) -> None:
    remove(swarm[1])
    install(swarm[1], ["192.0.2.1"])
    try:
        create_network(swarm[0])
        swarm[0].exec(
            *("docker", "service", "create", "--detach", "--no-resolve-image", "--network"),
            *(NETWORK, "--name", "on-machine2", "--constraint", "node.hostname==machine2"),
            *(roots.TAG, "sleep", "600"),
        )

        def told() -> bool:
            return "has no address of this node" in task_errors(swarm[0], "on-machine2")

        # Until the swarm knows of the plugin there it says "missing plugin on 1 node".
        Retrying(
            stop=stop_after_delay(60),
            wait=wait_fixed(0.5),
            retry=retry_if_result(lambda ok: not ok),
        )(told)
    finally:
        remove_network(swarm)
        remove(swarm[1])
        install(swarm[1], [host.address for host in swarm])
