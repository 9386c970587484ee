"""The main job on real virtual machines: the lab of the book, from nothing to nothing.

One lab is taken through its life, in this order: making machines is what takes the time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import box
from provision.providers.vagrant_runner import heeding_interrupts
from tests.vm.world import World

CLONE = Path(__file__).parent.parent.parent
INV = str(CLONE / ".venv" / "bin" / "inv")


class Lab:
    """The lab that ships, in a folder of its own, driven by the command line alone."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        (folder / "lab.toml").write_bytes((CLONE / "lab.toml").read_bytes())

    def inv(self, *args: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        lab = str(self.folder / "lab.toml")
        return self.world.run([INV, *args], timeout=timeout, cwd=CLONE, SWARMRIG_LAB=lab)

    def up_until(self, said: str, number: str) -> int:
        """`inv up`, sent a signal when it has said something; its exit code."""
        with heeding_interrupts():
            process = subprocess.Popen(
                self.world.command([INV, "up"]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=self.world.environment(SWARMRIG_LAB=str(self.folder / "lab.toml")),
            )
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any(said in line for line in lines), "it ended before it said so"
        done = self.world.run(["pkill", number, "-f", f"{INV} up"])
        assert done.returncode == 0
        for _ in lines:
            pass
        process.stderr.close()
        # nsenter ends with its child's code, or with the signal that ended its child.
        return process.wait(300)

    def nodes(self) -> str:
        done = self.inv("ssh", "machine1", "--command", "docker node ls --format '{{.ID}}'")
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def vagrant_log(self) -> str:
        return (self.folder / ".swarmrig" / "book" / "vagrant.log").read_text(errors="replace")

    def report(self) -> dict[str, object]:
        found = sorted(self.folder.glob("reports/book/*-overlay/report.json"))
        return dict(json.loads(found[-1].read_text()))


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Outside the world, which has no way to any package.
    box.build()
    made = Lab(world, tmp_path_factory.mktemp("book"))
    yield made
    made.inv("destroy")


def test_ctrl_c_ends_up_in_order(lab: Lab) -> None:
    assert lab.up_until("waiting for an address", "-INT") == 130


def test_up_is_killed_while_the_machines_boot(lab: Lab) -> None:
    assert lab.up_until("waiting for SSH", "-KILL") != 0


def test_up_goes_on_and_brings_two_machines_into_one_swarm(lab: Lab, world: World) -> None:
    done = lab.inv("up")
    assert done.returncode == 0, done.stderr
    assert sum(name.startswith("domain") for name in world.belongings()) == 2
    assert "is up: 2 machines" in done.stderr
    assert len(lab.nodes().split()) == 2


def test_a_second_up_changes_nothing_and_calls_no_vagrant(lab: Lab) -> None:
    nodes, log = lab.nodes(), lab.vagrant_log
    done = lab.inv("up")
    assert done.returncode == 0, done.stderr
    assert lab.nodes() == nodes
    assert lab.vagrant_log == log


def test_status_tells_it_as_json(lab: Lab) -> None:
    said = json.loads(lab.inv("status", "--json").stdout)
    assert [(m["name"], m["state"]) for m in said["machines"]] == [
        ("machine1", "running"),
        ("machine2", "running"),
    ]
    assert [m["node"] for m in said["machines"]] == ["ready (leader)", "ready"]


def test_the_overlay_exercise_passes_with_all_its_evidence(lab: Lab) -> None:
    done = lab.inv("scenario", "overlay")
    assert done.returncode == 0, done.stdout + done.stderr
    record = lab.report()
    assert record["verdict"] == "passed"
    steps = {step["number"]: step for step in record["steps"]}  # type: ignore[attr-defined]
    assert [str(n) for n in range(1, 18)] == [n for n in steps if n != "0"]
    for number in ("14", "15"):
        captures = steps[number]["captures"]
        assert [capture["machine"] for capture in captures] == ["machine1", "machine2"]
        for capture in captures:
            inner = [packet["inner"] for packet in capture["packets"] if packet["vni"]]
            assert any("echo request" in text for text in inner)
            assert any("echo reply" in text for text in inner)


def test_no_token_and_no_key_stands_in_anything_that_was_written(lab: Lab) -> None:
    done = lab.inv("ssh", "machine1", "--command", "docker swarm join-token -q worker")
    token = done.stdout.strip()
    assert token.startswith("SWMTKN-")
    for file in lab.folder.rglob("*"):
        if file.is_file() and file.name != "private_key":
            content = file.read_bytes()
            assert token.encode() not in content, file
            assert b"PRIVATE KEY" not in content, file


def test_destroy_leaves_no_domain_volume_network_or_file(lab: Lab, world: World) -> None:
    done = lab.inv("destroy")
    assert done.returncode == 0, done.stderr
    assert world.belongings() == []
    assert not (lab.folder / ".swarmrig").exists()


def test_destroy_can_be_said_again(lab: Lab) -> None:
    done = lab.inv("destroy")
    assert done.returncode == 0
    assert "was not there" in done.stderr
