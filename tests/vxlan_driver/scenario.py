"""The exercise over a plugin, with the test driver: the very steps that it has with another one."""

from __future__ import annotations

from provision.machine.machine import Machine
from scenarios.drivers.cut import cut_scenario
from scenarios.drivers.exercise import plugin_scenario
from scenarios.evidence.encapsulation import vxlan
from scenarios.kit.driver import Driver, Mesh, Peer
from scenarios.kit.scenario import Scenario
from tests.vxlan_driver import package

_LOOK = (
    "PATH=$PATH:/usr/sbin:/sbin; ls /sys/class/net | grep '^td[bchx]'; "
    "iptables -S FORWARD | grep -o 'tdb[^ ]*' | uniq; true"
)
# The driver has no status of its own: its peers are those that it was set to, where they answer.
_PEERS = """
for peer in $(docker plugin inspect -f '{{range .Settings.Env}}{{println .}}{{end}}' NAME |
    sed -n 's/^PEERS=//p' | tr , ' '); do
  ip -o address show to "$peer" | grep -q . && continue
  if ping -c 1 -W 5 "$peer" >/dev/null; then state=up; else state=down; fi
  echo "$(getent hosts "$peer" | awk '{print $2}') $state clear"
done
""".replace("NAME", package.NAME).strip()


def left(machine: Machine) -> list[str]:
    """Interfaces and rules of the driver that a machine still has."""
    return machine.run_checked(_LOOK, 60, sudo=True).split()


def mesh(machine: Machine) -> Mesh:
    """The other nodes that the driver on this one was set to, by name, and whether they answer."""
    # Not every system lets anybody ping.
    said = machine.run_checked(_PEERS, 60, sudo=True)
    lines = [line.split() for line in said.splitlines()]
    peers = (Peer(name, state == "up", how == "sealed", "VXLAN") for name, state, how in lines)
    return Mesh(tuple(peers), said.splitlines())


DRIVER = Driver(
    name="the test driver",
    socket="test-driver.sock",
    encapsulation=lambda _: vxlan(package.PORT),
    vni=package.vni_of,
    mesh=mesh,
    left=left,
)


def exercise(driver: Driver) -> Scenario:
    return plugin_scenario(
        "tunnel",
        driver,
        exercise="-",
        title="A network driver plugin between two hosts",
        summary="Two services on two hosts share one network of a plugin's.",
        network="tunnel1",
        services=("alpine-tunnel1", "alpine-tunnel2"),
    )


tunnel = exercise(DRIVER)

cut_tunnel = cut_scenario(
    "cut_tunnel",
    title="Two hosts lose each other, on a network of a plugin's",
    summary="No packet passes between two hosts for a while.",
    network="cuttunnel1",
    containers=("cuttunnel1", "cuttunnel2"),
    driver=DRIVER,
)
