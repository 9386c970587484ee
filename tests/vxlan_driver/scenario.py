"""The exercise over a plugin, with the test driver: the very steps that it has with another one."""

from __future__ import annotations

from provision.machine.machine import Machine
from scenarios.drivers.exercise import plugin_scenario
from scenarios.evidence.encapsulation import vxlan
from scenarios.kit.driver import Driver
from tests.vxlan_driver import package

_LOOK = (
    "PATH=$PATH:/usr/sbin:/sbin; ls /sys/class/net | grep '^td[bchx]'; "
    "iptables -S FORWARD | grep -o 'tdb[^ ]*' | uniq; true"
)


def left(machine: Machine) -> list[str]:
    """Interfaces and rules of the driver that a machine still has."""
    return machine.run_checked(_LOOK, 60, sudo=True).split()


DRIVER = Driver(
    name="the test driver",
    socket="test-driver.sock",
    encapsulation=lambda _: vxlan(package.PORT),
    vni=package.vni_of,
    left=left,
)

tunnel = plugin_scenario(
    "tunnel",
    DRIVER,
    exercise="-",
    title="A network driver plugin between two hosts",
    summary="Two services on two hosts share one network of a plugin's.",
    network="tunnel1",
    services=("alpine-tunnel1", "alpine-tunnel2"),
)
