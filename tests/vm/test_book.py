"""The main job on real virtual machines: the lab of the book, from nothing to nothing.

One lab is taken through its life, in this order: making machines is what takes the time.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision import box
from provision.providers.vagrant_runner import heeding_interrupts
from tests.vm.world import World

CLONE = Path(__file__).parent.parent.parent
INV = str(CLONE / ".venv" / "bin" / "inv")
WEAVE = os.environ.get("SWARMRIG_WEAVE_ARCHIVE", "")
needs_weave = pytest.mark.skipif(
    not WEAVE,
    reason="set SWARMRIG_WEAVE_ARCHIVE to a tar.gz of the Weave plugin's config.json and rootfs/",
)


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

    def report(self, scenario: str = "overlay") -> dict[str, Any]:
        found = sorted(self.folder.glob(f"reports/book/*-{scenario}/report.json"))
        return dict(json.loads(found[-1].read_text()))

    def define(self, *lines: str) -> None:
        """The lab that ships, with a [weave] table for the archive that is there."""
        table = ["", "[weave]", f"plugin_archive = {json.dumps(WEAVE)}", *lines, ""]
        shipped = (CLONE / "lab.toml").read_text()
        (self.folder / "lab.toml").write_text(shipped + "\n".join(table if WEAVE else []))


@pytest.fixture(scope="module")
def lab(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Outside the world, which has no way to any package.
    box.build()
    made = Lab(world, tmp_path_factory.mktemp("book"))
    made.define()
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
    steps = {step["number"]: step for step in record["steps"]}
    assert [str(n) for n in range(1, 18)] == [n for n in steps if n != "0"]
    for number in ("14", "15"):
        captures = steps[number]["captures"]
        assert [capture["machine"] for capture in captures] == ["machine1", "machine2"]
        for capture in captures:
            inner = [packet["inner"] for packet in capture["packets"] if packet["vni"]]
            assert any("echo request" in text for text in inner)
            assert any("echo reply" in text for text in inner)


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
