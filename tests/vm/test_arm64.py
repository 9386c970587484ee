"""An arm64 host: its box, its machines and its trial of KVM, all emulated on this machine.

What runs here as it would there: the recipe, the boot with UEFI, the Vagrantfile, libvirt and the
swarm. What does not: KVM on an arm64 CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.providers.libvirt import hardware, kvm
from tests.support.tier import cannot_run
from tests.vm import arm64_host
from tests.vm.test_book import CLONE, INV, Lab
from tests.vm.vagrant_world import World

pytestmark = pytest.mark.skipif(
    os.environ.get("SWARMRIG_VM") != "all",
    reason="an emulated arm64 host takes four minutes, its box eight: SWARMRIG_VM=all runs it",
)


class ArmLab(Lab):
    """The lab that ships, by commands that take this machine for an arm64 host."""

    def inv(self, *args: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        return self.world.run(
            [INV, *args],
            timeout=timeout,
            cwd=CLONE,
            SWARMRIG_LAB=str(self.folder / "lab.toml"),
            **arm64_host.environment(),
        )


@pytest.fixture(scope="module")
def kernel() -> Path:
    """The kernel in the box, which is built outside the world: that has no way to any package."""
    if reason := arm64_host.why_not():
        cannot_run(reason)
    return arm64_host.build_box()


@pytest.fixture(scope="module")
def lab(kernel: Path, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = ArmLab(world, tmp_path_factory.mktemp("arm64"))
    yield made
    made.inv("destroy")


def test_up_boots_machines_with_docker_in_one_swarm(lab: Lab, world: World) -> None:
    said = lab.must("up")
    assert "is up: 2 machines" in said
    assert lab.on("machine1", "uname -m; docker version -f '{{.Server.Arch}}'").split() == [
        "aarch64",
        "arm64",
    ]
    assert [m["node"] for m in lab.status()] == ["ready (leader)", "ready"]
    # UEFI passes on what the hypervisor hands over, as a BIOS does.
    assert lab.on("machine2", "cat /var/lib/swarmrig-metadata; hostname --fqdn") == "machine2\n"
    assert lab.on("machine1", "docker node ls --format '{{.Status}}'") == "Ready\n" * 2


def test_its_image_runs_there(lab: Lab) -> None:
    image = json.loads((lab.state / "ready.json").read_text())["image"]
    assert lab.on("machine1", f"docker run --rm {image} uname -m") == "aarch64\n"


def test_a_checkpoint_is_kept_and_restored(lab: Lab) -> None:
    """With UEFI in a flash, libvirt before 10.10 would refuse to save one."""
    lab.on("machine1", "docker volume create kept")
    lab.must("checkpoint.save", "mine")
    lab.on("machine1", "docker volume rm kept")
    lab.must("checkpoint.restore", "mine")
    assert lab.on("machine1", "docker volume ls -q") == "kept\n"


def test_the_lock_has_an_entry_for_this_architecture(lab: Lab) -> None:
    assert list(json.loads(lab.lock.read_text())["labs"]["book"]) == ["libvirt/arm64"]


def test_destroy_leaves_nothing(lab: Lab, world: World) -> None:
    lab.must("destroy")
    assert world.belongings() == []


@pytest.mark.parametrize("linux", [True, False], ids=["a kernel", "a minimal guest"])
def test_the_guest_that_kvm_is_tried_with_comes_up(
    linux: bool, kernel: Path, tmp_path: Path
) -> None:
    """Emulated, which differs from the trial in nothing but the accelerator and the CPU."""
    machine = hardware.of("arm64")
    trial = kvm.command(machine, kernel if linux else None, tmp_path, accelerator="tcg")
    seen = b""
    with subprocess.Popen(
        [machine.qemu, *trial.arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while trial.expected not in seen and (more := process.stdout.read(1)):
            seen += more
        process.kill()
    assert trial.expected in seen
