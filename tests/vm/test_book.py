"""The main job on real virtual machines: the lab of the book, from nothing to nothing.

One lab is taken through its life, in this order: making machines is what takes the time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.providers import machine_key
from provision.providers.boxes import build
from provision.providers.vagrant.runner import heeding_interrupts
from tests.support.german import desktop
from tests.vm.vagrant_world import World

CLONE = Path(__file__).parent.parent.parent
INV = str(CLONE / ".venv" / "bin" / "inv")
WEAVE = os.environ.get("SWARMRIG_WEAVE_ARCHIVE", "")
needs_weave = pytest.mark.skipif(
    not WEAVE,
    reason="set SWARMRIG_WEAVE_ARCHIVE to a tar.gz of the Weave plugin's config.json and rootfs/",
)


PORT = 18022


class Lab:
    """The lab that ships, in a folder of its own, driven by the command line alone.

    Where it is defined again, a port of the host leads to its first machine.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.registry = ""
        (folder / "lab.toml").write_bytes((CLONE / "lab.toml").read_bytes())

    def inv(self, *args: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        return self.world.run(
            [INV, *args],
            timeout=timeout,
            cwd=CLONE,
            SWARMRIG_LAB=str(self.folder / "lab.toml"),
            SWARMRIG_REGISTRY=self.registry or str(self.world.folder / "labs"),
            # Not in the developers' language: what tools print is read in the C locale.
            **desktop(),
        )

    def status(self) -> list[dict[str, str]]:
        said = json.loads(self.inv("status", "--json").stdout)
        return list(said["machines"])

    def until(self, verb: str, said: str, number: str) -> int:
        """A verb, sent a signal when it has said something; its exit code."""
        with heeding_interrupts():
            process = subprocess.Popen(
                self.world.command([INV, verb]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=self.world.environment(SWARMRIG_LAB=str(self.folder / "lab.toml")),
            )
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any(said in line for line in lines), "it ended before it said so"
        done = self.world.run(["pkill", number, "-f", f"{INV} {verb}"])
        assert done.returncode == 0
        for _ in lines:
            pass
        process.stderr.close()
        # nsenter ends with its child's code, or with the signal that ended its child.
        return process.wait(300)

    def must(self, *args: str) -> str:
        done = self.inv(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def on(self, machine: str, command: str) -> str:
        done = self.inv("ssh", machine, "--command", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def nodes(self) -> str:
        return self.on("machine1", "docker node ls --format '{{.ID}}'")

    def greeting(self) -> str:
        """What answers at the port of the host that leads to the first machine; "" for nothing."""
        line = f'exec 3<>/dev/tcp/127.0.0.1/{PORT} && read -r -t 60 said <&3 && echo "$said"'
        return self.world.run(["bash", "-c", line], timeout=120).stdout

    @property
    def state(self) -> Path:
        return self.folder / ".swarmrig" / "book"

    @property
    def vagrant_log(self) -> str:
        return (self.state / "vagrant.log").read_text(errors="replace")

    @property
    def lock(self) -> Path:
        return self.folder / "swarmrig.lock"

    def report(self, scenario: str = "overlay") -> dict[str, Any]:
        found = sorted(self.folder.glob(f"reports/book/*-{scenario}/report.json"))
        return dict(json.loads(found[-1].read_text()))

    def passed(self, scenario: str) -> dict[str, Any]:
        """The report of a run that has passed."""
        done = self.inv("scenario", scenario, timeout=3000)
        assert done.returncode == 0, done.stdout + done.stderr
        record = self.report(scenario)
        assert record["verdict"] == "passed"
        return record

    def define(self, *lines: str) -> None:
        """The lab that ships, with a [weave] table for the archive that is there."""
        table = ["", "[weave]", f"plugin_archive = {json.dumps(WEAVE)}", *lines, ""]
        shipped = (CLONE / "lab.toml").read_text()
        first = 'name = "machine1"\n'
        assert first in shipped
        shipped = shipped.replace(first, f"{first}forward = [{{ guest = 22, host = {PORT} }}]\n")
        (self.folder / "lab.toml").write_text(shipped + "\n".join(table if WEAVE else []))


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Outside the world, which has no way to any package.
    build.build()
    made = Lab(world, tmp_path_factory.mktemp("book"))
    made.define()
    yield made
    made.inv("destroy")


def test_up_is_killed_while_the_machines_boot(lab: Lab) -> None:
    assert lab.until("up", "waiting for SSH", "-KILL") != 0


def test_up_goes_on_and_brings_two_machines_into_one_swarm(lab: Lab, world: World) -> None:
    done = lab.inv("up")
    assert done.returncode == 0, done.stderr
    assert sum(name.startswith("domain") for name in world.belongings()) == 2
    assert "is up: 2 machines" in done.stderr
    assert len(lab.nodes().split()) == 2
    assert [(m["name"], m["state"], m["node"]) for m in lab.status()] == [
        ("machine1", "running", "ready (leader)"),
        ("machine2", "running", "ready"),
    ]


def test_the_box_took_name_and_key_from_the_hypervisor_and_vagrant_set_neither(lab: Lab) -> None:
    public = (lab.state / machine_key.PUBLIC).read_text()
    assert "Inserting generated public key" not in lab.vagrant_log
    assert "Setting hostname" not in lab.vagrant_log
    for machine in ("machine1", "machine2"):
        assert lab.on(machine, "hostname --fqdn") == f"{machine}\n"
        assert lab.on(machine, "cat ~/.ssh/authorized_keys") == public
        assert lab.on(machine, "cat /var/lib/swarmrig-metadata") == ""


def test_the_exercise_passes_and_comes_out_the_same_after_a_rebuild(lab: Lab) -> None:
    nodes, log = lab.nodes(), lab.vagrant_log
    lab.on("machine2", "docker volume create junk")
    said = lab.must("reproduce", "overlay")
    assert "ids, timings and assigned addresses are not compared" in said
    assert "restoring 'ready'" in said
    # No Vagrant was called, and the swarm is the old one, for all that was on its way.
    assert lab.vagrant_log == log
    assert lab.nodes() == nodes
    assert lab.on("machine2", "docker volume ls -q") == ""
    for machine in ("machine1", "machine2"):
        assert abs(int(lab.on(machine, "date +%s")) - time.time()) < 20


def test_a_forwarded_port_leads_to_the_machine_that_was_restored(lab: Lab) -> None:
    assert lab.greeting().startswith("SSH-2.0")


def test_the_overlay_exercise_has_all_its_evidence(lab: Lab) -> None:
    record = lab.report()
    assert record["verdict"] == "passed"
    steps = {step["number"]: step for step in record["steps"]}
    assert [str(n) for n in range(1, 18)] == [n for n in steps if n != "0"]
    for number in ("14", "15"):
        captures = steps[number]["captures"]
        assert [capture["machine"] for capture in captures] == ["machine1", "machine2"]
        for capture in captures:
            inner = [packet["inner"] for packet in capture["packets"] if packet["vni"]]
            assert any("echo request" in text for text in inner)
            assert any("echo reply" in text for text in inner)


# -- thrown away without a thought -------------------------------------------------------------


def test_a_checkpoint_of_ones_own_is_kept_listed_restored_and_deleted(lab: Lab) -> None:
    lab.on("machine1", "docker volume create kept")
    lab.must("checkpoint.save", "mine")
    lab.on("machine1", "docker volume rm kept")
    assert "mine" in lab.must("checkpoint.list")
    # Vagrant sees the very same.
    said = lab.world.run(
        ["vagrant", "snapshot", "list"],
        cwd=lab.state,
        VAGRANT_DOTFILE_PATH=str(lab.state / "vagrant"),
    ).stdout
    machine1, machine2 = said.removeprefix("==> machine1: \n").split("==> machine2: \n")
    assert set(machine1.split()) == set(machine2.split()) == {"ready", "mine"}
    lab.must("checkpoint.restore", "mine")
    assert lab.on("machine1", "docker volume ls -q") == "kept\n"
    lab.must("checkpoint.delete", "mine")
    assert "mine" not in lab.must("checkpoint.list")
    assert lab.inv("checkpoint.restore", "mine").returncode == 2
    assert lab.inv("checkpoint.save", "No Name").returncode == 2


def test_a_class_catches_up_from_the_checkpoint(lab: Lab) -> None:
    lab.on("machine1", "docker network create -d overlay mine1")
    said = lab.must("catch-up", "overlay", "6")
    assert "The lab is as it was after `inv up`." in said
    assert "Next: step 6." in said
    assert lab.on("machine1", "docker network ls -q -f name=mine1").strip() == ""
    looked = lab.inv("check", "overlay", "--json")
    assert looked.returncode == 1
    assert json.loads(looked.stdout)["next"] == "7"
    lab.must("solve", "overlay", "17")
    assert lab.on("machine1", "docker network ls -q -f name=overlaynet1").strip() == ""
    lab.must("check", "overlay", "--reset")


def test_a_rebuild_that_is_killed_is_gone_on_with(lab: Lab) -> None:
    nodes = lab.nodes()
    assert lab.until("rebuild", "restoring", "-KILL") != 0
    said = lab.must("up")
    assert "resuming the interrupted restore of checkpoint 'ready'" in said
    assert lab.nodes() == nodes
    assert [m["state"] for m in lab.status()] == ["running", "running"]


def test_a_machine_that_was_left_suspended_is_told_and_resumed_by_up(
    lab: Lab, world: World
) -> None:
    log = lab.vagrant_log
    world.virsh("suspend", "swarmrig-book_machine2")
    assert [m["state"] for m in lab.status()] == ["running", "paused"]
    lab.must("up")
    assert [m["state"] for m in lab.status()] == ["running", "running"]
    assert lab.vagrant_log == log


def test_a_power_cut_of_all_machines_loses_neither_service_nor_secret(
    lab: Lab, world: World
) -> None:
    lab.must("up")
    nodes = lab.nodes()
    lab.on("machine1", "echo open-sesame | docker secret create password -")
    image = json.loads((lab.state / "ready.json").read_text())["image"]
    lab.on(
        "machine1",
        "docker service create -q -t --name web --mode global --secret password "
        f"--stop-grace-period 1s --no-resolve-image {image}",
    )
    for name in ("machine1", "machine2"):
        world.virsh("destroy", f"swarmrig-book_{name}")
    assert [m["state"] for m in lab.status()] == ["stopped", "stopped"]
    lab.must("up")
    assert lab.nodes() == nodes
    for name in ("machine1", "machine2"):
        shown = (
            "until task=$(docker ps -q --filter name=web. --filter status=running | grep .); "
            "do sleep 1; done; docker exec $task cat /run/secrets/password"
        )
        assert lab.on(name, shown) == "open-sesame\n"
    lab.on("machine1", "docker service rm web; docker secret rm password")


def test_after_a_laptop_has_slept_for_a_day_up_finds_the_swarm_as_it_was(
    lab: Lab, world: World
) -> None:
    """Machines are suspended with their host, and their clocks stand still."""
    lab.must("up")
    nodes = lab.nodes()
    for name in ("machine1", "machine2"):
        # The engines keep running: nothing tells them that a day is missing.
        lab.on(name, "sudo date -s '-1 day'")
    # One is started again: by its clock its certificate is not valid yet, and it stays out.
    state = "docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'"
    lab.on("machine2", "sudo systemctl restart docker")
    assert "not yet valid" in lab.on("machine2", state)
    behind = "set its clock, which is 1 d behind this host's"
    assert behind in lab.must("up", "--dry-run")
    for name in ("machine1", "machine2"):
        world.virsh("suspend", f"swarmrig-book_{name}")
    assert [m["state"] for m in lab.status()] == ["paused", "paused"]
    said = lab.must("up")
    for name in ("machine1", "machine2"):
        assert f"{name}: {behind}" in said
        assert abs(int(lab.on(name, "date +%s")) - time.time()) < 20
    assert lab.on("machine2", state).split() == ["active"]
    assert lab.nodes() == nodes
    assert [m["node"] for m in lab.status()] == ["ready (leader)", "ready"]


def test_what_the_lab_is_made_of_is_locked(lab: Lab) -> None:
    ((_, entry),) = json.loads(lab.lock.read_text())["labs"]["book"].items()
    assert entry["box"]["name"] == "swarmrig/debian13"
    assert entry["box"]["checksum"].startswith("sha256:")
    assert set(entry["engines"]) == {"machine1", "machine2"}
    assert {"vagrant", "libvirt", "qemu", "swarmrig"} <= set(entry["tools"])


def test_another_lab_that_would_clash_is_told_before_anything_boots(
    lab: Lab, world: World, tmp_path: Path
) -> None:
    there = world.belongings()
    other = Lab(world, tmp_path)
    file = tmp_path / "lab.toml"
    for text, said in (
        ('name = "book"\nnetwork.subnet = "10.99.0.0/24"\n', f"lab 'book' of {lab.folder}"),
        ('name = "other"\n', "network.subnet: 192.168.56.0/24 overlaps 192.168.56.0/24"),
    ):
        file.write_text(text)
        done = other.inv("up")
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        # A lab without a registry (another user's) is found in libvirt's own lists.
        other.registry = str(tmp_path / "empty")
        done = other.inv("up")
        assert done.returncode == 2, done.stderr
        other.registry = ""
    assert "was not there" in other.must("destroy")
    assert world.belongings() == there
    assert not (tmp_path / ".swarmrig").exists()


def carried(record: dict[str, Any], number: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """The packets that were recognized in each capture of a step, by machine."""
    step = next(step for step in record["steps"] if step["number"] == number)
    return [
        (capture["machine"], [packet for packet in capture["packets"] if packet["encapsulation"]])
        for capture in step["captures"]
    ]


@needs_weave
def test_the_weave_exercise_passes_with_the_real_plugin_and_its_packets(lab: Lab) -> None:
    done = lab.inv("scenario", "weave")
    assert done.returncode == 0, done.stdout + done.stderr
    record = lab.report("weave")
    assert record["verdict"] == "passed"
    assert {step["state"] for step in record["steps"]} == {"passed"}
    for number in ("8a", "8b"):
        captures = carried(record, number)
        assert [machine for machine, _ in captures] == ["machine1", "machine2"]
        for _, packets in captures:
            assert {packet["encapsulation"] for packet in packets} <= {
                "Weave fast datapath",
                "Weave sleeve",
            }
            inside = " ".join(packet["inner"] for packet in packets)
            assert "ICMP echo request 10.1.1." in inside
            assert "ICMP echo reply 10.1.1." in inside
    assert "CAP_SYS_MODULE" in done.stdout
    said = lab.inv("ssh", "machine2", "--command", "docker plugin ls -q; ip -br link; ls /var/lib")
    assert "weave" not in said.stdout
    assert "datapath" not in said.stdout


@needs_weave
def test_a_second_run_with_a_password_is_encrypted_and_the_password_is_nowhere(lab: Lab) -> None:
    secret = "open-sesame-1906"  # noqa: S105 - a test's
    lab.define(f'password = "{secret}"')
    done = lab.inv("scenario", "weave")
    assert done.returncode == 0, done.stdout + done.stderr
    record = lab.report("weave")
    for number in ("8a", "8b"):
        for _, packets in carried(record, number):
            assert packets
            assert not any(packet["inner"] for packet in packets)
    assert secret not in done.stdout + done.stderr
    written = [file for file in lab.folder.rglob("*") if file.is_file()]
    assert [file for file in written if secret.encode() in file.read_bytes()] == [
        lab.folder / "lab.toml"
    ]
    for machine in ("machine1", "machine2"):
        log = lab.inv("ssh", machine, "--command", "sudo journalctl --no-pager")
        assert log.returncode == 0
        assert secret not in log.stdout
    lab.define()


def test_no_token_and_no_key_stands_in_anything_that_was_written(lab: Lab) -> None:
    done = lab.inv("ssh", "machine1", "--command", "docker swarm join-token -q worker")
    token = done.stdout.strip()
    assert token.startswith("SWMTKN-")
    key = lab.state / machine_key.NAME
    assert key.stat().st_mode & 0o777 == 0o600
    for file in lab.folder.rglob("*"):
        if file.is_file() and file != key:
            content = file.read_bytes()
            assert token.encode() not in content, file
            assert b"PRIVATE KEY" not in content, file


def test_a_lab_whose_folder_was_lost_is_destroyed_by_what_libvirt_lists(
    lab: Lab, world: World
) -> None:
    """With its checkpoints. An ordinary destroy ends tests/vm/test_plain_box.py."""
    shutil.rmtree(lab.folder / ".swarmrig")
    assert world.belongings() != []
    said = lab.must("destroy")
    assert "removed domain" in said
    assert f"removed forwarded port 127.0.0.1:{PORT}" in said
    assert "kept: " in said
    assert world.belongings() == []
    assert lab.lock.exists()


def test_destroy_can_be_said_again(lab: Lab) -> None:
    assert "was not there" in lab.must("destroy")
