"""What is asked of libvirt itself, on machines without a system: they start within a second."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.german import desktop
from tests.vm.test_book import CLONE
from tests.vm.vagrant_world import World

NAMES = ["machine1", "machine2"]
PREFIX = "swarmrig-tiny_"
DOMAIN = """
<domain type="qemu"><name>{name}</name><description>Source: {state}/Vagrantfile</description>
  <memory unit="MiB">32</memory><vcpu>1</vcpu>
  <os><type>hvm</type></os>
  <devices><disk type="file" device="disk"><driver name="qemu" type="qcow2" cache="unsafe"/>
    <source file="{disk}"/><target dev="vda" bus="virtio"/></disk></devices>
</domain>
"""


class Tiny:
    """Two machines with a disk each, and provision's own functions called inside the world."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.state = folder
        for name in NAMES:
            disk = f"/var/lib/libvirt/images/{PREFIX}{name}.img"
            file = folder / f"{name}.xml"
            file.write_text(DOMAIN.format(name=PREFIX + name, disk=disk, state=folder))
            self.must("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M")
            self.must("virsh", "define", str(file))
            self.must("virsh", "start", PREFIX + name)
        # Vagrant makes the same pool, where it was here before.
        self.own_pool = "default" not in world.virsh("pool-list", "--name")
        if self.own_pool:
            pool = ("--type", "dir", "--target", "/var/lib/libvirt/images")
            self.must("virsh", "pool-create-as", "default", *pool)
        self.must("virsh", "pool-refresh", "default")

    def must(self, *argv: str) -> str:
        done = self.world.run(list(argv))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def code(self, call: str) -> list[str]:
        program = (
            "import json; from ipaddress import IPv4Network; from pathlib import Path\n"
            "from provision.providers.libvirt import disks, inventory, networks, snapshots\n"
            f"prefix, names, state = {PREFIX!r}, {NAMES!r}, Path({str(self.state)!r})\n"
            f"print(json.dumps({call}, default=str))"
        )
        return [str(CLONE / ".venv" / "bin" / "python"), "-c", program]

    def __call__(self, call: str) -> Any:
        # Not in the developers' language: what virsh prints is read in the C locale.
        done = self.world.run(self.code(call), 60, None, **desktop())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def killed(self, call: str, after: float) -> None:
        """The call, killed with -9 after so many seconds."""
        process = subprocess.Popen(
            self.world.command(["timeout", "-s", "KILL", f"{after:.3f}", *self.code(call)]),
            cwd=CLONE,
            env=self.world.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        process.wait(60)

    @property
    def states(self) -> dict[str, str]:
        return dict(self("inventory.states(prefix, names)"))


@pytest.fixture(scope="module")
def tiny(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    made = Tiny(world, tmp_path_factory.mktemp("tiny"))
    yield made
    if made.own_pool:
        world.run(["virsh", "pool-destroy", "default"])


RUNNING = dict.fromkeys(NAMES, "running")


def test_a_checkpoint_is_kept_replaced_restored_and_forgotten(tiny: Tiny) -> None:
    assert tiny("snapshots.listed(prefix, names)") == []
    tiny("snapshots.save(prefix, names, 'a')")
    tiny("snapshots.save(prefix, names, 'b')")
    tiny("snapshots.save(prefix, names, 'a')")
    assert tiny("snapshots.listed(prefix, names)") == ["b", "a"]
    assert tiny.states == RUNNING
    tiny("snapshots.restore(prefix, names, 'net', 'b')")
    assert tiny.states == RUNNING
    tiny("snapshots.forget(prefix, names, 'a')")
    assert tiny("snapshots.listed(prefix, names)") == ["b"]


def test_what_one_machine_lacks_is_no_checkpoint(tiny: Tiny) -> None:
    tiny.must("virsh", "snapshot-create-as", f"{PREFIX}machine2", "half")
    assert tiny("snapshots.listed(prefix, names)") == ["b"]
    tiny("snapshots.forget(prefix, names, 'half')")


def test_machines_that_were_off_are_restored_as_well(tiny: Tiny) -> None:
    tiny.must("virsh", "destroy", f"{PREFIX}machine1")
    assert tiny.states == {"machine1": "stopped", "machine2": "running"}
    tiny("snapshots.restore(prefix, names, 'net', 'b')")
    assert tiny.states == RUNNING


def test_a_suspended_machine_is_told_as_such_and_resumed(tiny: Tiny) -> None:
    tiny.must("virsh", "suspend", f"{PREFIX}machine2")
    assert tiny.states["machine2"] == "paused"
    assert tiny("snapshots.resume(prefix, names)") == ["machine2"]
    assert tiny.states == RUNNING


def test_a_disk_that_a_power_cut_has_damaged_is_found(tiny: Tiny) -> None:
    disk = f"/var/lib/libvirt/images/{PREFIX}machine1.img"
    tiny.must("virsh", "destroy", f"{PREFIX}machine1")
    tiny.must("virsh", "destroy", f"{PREFIX}machine2")
    assert tiny("disks.damaged(prefix, names)") == {}
    # What says which clusters are in use was never written. Source: QEMU's docs/interop/qcow2.
    place = int.from_bytes(bytes.fromhex(tiny.must("xxd", "-s48", "-l8", "-p", disk)), "big")
    wipe = (f"seek={place // 8}", "bs=8", "count=1", "conv=notrunc")
    tiny.must("dd", "if=/dev/zero", f"of={disk}", *wipe)
    assert tiny("disks.damaged(prefix, names)") == {"machine1": disk}
    tiny.world.run(["qemu-img", "check", "-r", "all", disk])
    assert tiny("disks.damaged(prefix, names)") == {}
    for name in NAMES:
        tiny.must("virsh", "start", PREFIX + name)
    assert tiny.states == RUNNING


@pytest.mark.parametrize("call", ["save(prefix, names, 'c')", "restore(prefix, names, 'net', 'b')"])
def test_killed_at_any_moment_the_next_one_reaches_its_goal(tiny: Tiny, call: str) -> None:
    begin = time.monotonic()
    tiny(f"snapshots.{call}")
    whole = time.monotonic() - begin
    moments = 5
    for moment in range(1, moments):
        tiny.killed(f"snapshots.{call}", whole * moment / moments)
        # libvirt itself may be at work on it still, and makes the next one wait.
        tiny(f"snapshots.{call}")
        assert tiny.states == RUNNING, moment
    assert "b" in tiny("snapshots.listed(prefix, names)")
    assert ("c" in tiny("snapshots.listed(prefix, names)")) == call.startswith("save")
    tiny("snapshots.forget(prefix, names, 'c')")


NOTHING: dict[str, list[str]] = {"domain": [], "volume": [], "network": []}
NETWORKS = "networks.ensure_networks('swarmrig-tiny', '10.98.7.0/24', '10.98.8.0/24')"


def test_the_labs_networks_are_made_once_and_hold_no_packet_back(tiny: Tiny) -> None:
    assert tiny(NETWORKS) == ["network swarmrig-tiny", "network swarmrig-tiny-mgmt"]
    assert tiny(NETWORKS) == []
    assert tiny("networks.subnets()") == {
        "swarmrig-tiny": "10.98.7.0/24",
        "swarmrig-tiny-mgmt": "10.98.8.0/24",
    }
    for network, address in (("swarmrig-tiny", "10.98.7.1"), ("swarmrig-tiny-mgmt", "10.98.8.1")):
        bridge = tiny(f"networks.bridge({network!r})")
        link = json.loads(tiny.must("ip", "-json", "-details", "address", "show", "dev", bridge))[0]
        assert link["linkinfo"]["info_data"]["stp_state"] == 0
        assert [one["local"] for one in link["addr_info"] if one["family"] == "inet"] == [address]
    tiny.must("virsh", "net-destroy", "swarmrig-tiny")
    assert tiny(NETWORKS) == []
    assert "swarmrig-tiny\n" in tiny.must("virsh", "net-list", "--name")


def test_another_folders_lab_of_the_same_name_is_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    stranger = f"Path({str(tmp_path)!r})"
    theirs = {PREFIX + name: str(tiny.state) for name in NAMES}
    assert tiny(f"inventory.foreign_domains(prefix, {stranger})") == theirs
    assert tiny("inventory.foreign_domains(prefix, state)") == {}
    assert tiny(f"inventory.belongings(prefix, 'swarmrig-tiny', {stranger})") == NOTHING
    assert tiny(f"inventory.purge(prefix, 'swarmrig-tiny', {stranger})") == []
    assert tiny.states == RUNNING


def test_machines_with_checkpoints_are_purged_with_their_disks(tiny: Tiny) -> None:
    tiny.must("virsh", "suspend", f"{PREFIX}machine1")
    removed = tiny("inventory.purge(prefix, 'swarmrig-tiny', state)")
    assert sorted(what.split("/")[0] for what in removed) == [
        f"domain {PREFIX}machine1",
        f"domain {PREFIX}machine2",
        "network swarmrig-tiny",
        "network swarmrig-tiny-mgmt",
        "volume ",
        "volume ",
    ]
    assert tiny("inventory.belongings(prefix, 'swarmrig-tiny', state)") == NOTHING
