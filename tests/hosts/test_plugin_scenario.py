"""The exercise over a plugin, with another driver than its own: green, and red for each fault.

The steps do not know which driver they run with, and no report of this one names the other.
"""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import destroy
from provision.plugins import privileges
from provision.support.errors import UserError
from scenarios.kit.scenario import StepPlan
from scenarios.record import model
from scenarios.report.write import write_reports
from scenarios.weave import weave
from tests.hosts.light_hosts import Fabric, Host
from tests.support.killed import killed_before
from tests.support.play import failed
from tests.support.play import play as play_scenario
from tests.support.progress import quiet
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import tunnel

Play = Callable[..., model.Record]


@pytest.fixture
def play(lab: Lab, two_hosts: list[Host], tmp_path: Path) -> Play:
    def go(
        archive: Path | None = None,
        before: Callable[[StepPlan], None] | None = None,
        told: list[str] | None = None,
    ) -> model.Record:
        plugin = PluginSpec(
            package.NAME,
            archive or package.archive(),
            settings=package.settings(host.address for host in two_hosts),
        )
        over = dataclasses.replace(lab, weave=plugin)
        return play_scenario(tunnel, over, tmp_path / "report", told, before)

    return go


def step(result: model.Record, number: str) -> model.Step:
    return next(step for step in result.steps if step.number == number)


def test_the_steps_are_those_of_the_exercise() -> None:
    assert [plan.number for plan in tunnel.steps] == [plan.number for plan in weave.steps]


def test_every_step_passes_and_no_report_names_another_driver(
    play: Play, tmp_path: Path, two_hosts: list[Host]
) -> None:
    told: list[str] = []
    result = play(told=told)
    # The names are the tasks' own addresses here: nothing of it needs IPVS.
    assert result.verdict == "passed", told
    vni = result.topology.networks[0].vni
    for number in ("8a", "8b"):
        for capture in step(result, number).captures:
            carried = [packet for packet in capture.packets if packet.vni == vni]
            assert {packet.outer_port for packet in carried} == {package.PORT}
    write_reports(result, tmp_path / "report")
    for file in (tmp_path / "report").rglob("*"):
        assert not file.is_file() or b"weave" not in file.read_bytes().lower(), file
    assert "weave" not in "\n".join(told).lower()
    for host in two_hosts:
        assert host.exec("docker", "plugin", "ls", "-q").stdout == ""


def test_a_plugin_that_was_there_before_is_not_taken_and_not_removed(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    with tarfile.open(package.archive()) as tar:
        tar.extract("config.json", tmp_path, filter="data")
    config = tmp_path / "config.json"
    two_hosts[1].exec("mkdir", "-p", "/root/theirs/rootfs")
    two_hosts[1].exec("sh", "-c", "cat > /root/theirs/config.json", file=config)
    two_hosts[1].exec("docker", "plugin", "create", package.NAME, "/root/theirs")
    try:
        with pytest.raises(UserError, match="is on machine2 already, and not by this lab"):
            play()
        assert two_hosts[1].exec("docker", "plugin", "ls", "-q").stdout != ""
        assert two_hosts[0].exec("docker", "plugin", "ls", "-q").stdout == ""
    finally:
        two_hosts[1].exec("docker", "plugin", "rm", "--force", package.NAME)
        two_hosts[1].exec("rm", "-r", "/root/theirs")


def test_what_a_killed_run_has_installed_goes_with_the_lab(
    lab: Lab, play: Play, two_hosts: list[Host]
) -> None:
    with killed_before("8a") as end:
        play(before=end)
    assert all(host.exec("docker", "plugin", "ls", "-q").stdout for host in two_hosts)
    removed = destroy.destroy(lab, quiet())
    assert {f"plugin {package.NAME} on {host.name}" for host in two_hosts} <= set(removed)
    for host in two_hosts:
        assert host.exec("docker", "plugin", "ls", "-q").stdout == ""
    assert not (lab.state / "journal.json").exists()


def test_packets_that_do_not_cross_are_seen(play: Play, fabric: Fabric) -> None:
    with fabric.dropping("-p", "udp", "--dport", str(package.PORT)):
        result = play()
    assert result.verdict == "failed"
    assert {s.number for s in result.steps if s.state == "failed"} == {"8a", "8b"}
    assert any("own address" in what and "answers" in what for what in failed(result))
    assert any("VXLAN with VNI" in what and "echo reply" in what for what in failed(result))


def test_a_plugin_that_has_gone_from_one_node_is_seen(play: Play, two_hosts: list[Host]) -> None:
    def take_away(plan: StepPlan) -> None:
        if plan.number == "2":
            two_hosts[1].exec("docker", "plugin", "rm", "--force", package.NAME)

    told: list[str] = []
    result = play(before=take_away, told=told)
    assert "the plugin is installed and enabled" in failed(result)
    assert step(result, "2").state == "failed"
    # Its service cannot start there, and the swarm's own words say why.
    assert step(result, "6b").state == "error"
    assert "missing plugin on 1 node" in step(result, "6b").reason
    assert step(result, "8a").state == "skipped"
    assert step(result, "0").state == "passed"


def test_the_weave_exercise_refuses_another_driver_by_its_socket(lab: Lab) -> None:
    plugin = PluginSpec(package.NAME, package.archive())
    with pytest.raises(UserError, match=r"is not Weave Net: its socket is 'test-driver\.sock'"):
        play_scenario(weave, dataclasses.replace(lab, weave=plugin), lab.home / "report")


def test_a_privilege_beyond_the_listed_ones_is_refused(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    greedy = tmp_path / "greedy.tar.gz"
    config = json.loads(package.CONFIG.read_text())
    config["linux"]["capabilities"].append("CAP_SYS_BOOT")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with tarfile.open(greedy, "w:gz") as tar:
        tar.add(file, "config.json")
        tar.add(tmp_path, "rootfs", recursive=False)
    with pytest.raises(UserError, match="capabilities:CAP_SYS_BOOT"):
        play(greedy)
    assert privileges.asked_in(config)[-1] == privileges.Privilege("capabilities", "CAP_SYS_BOOT")
    assert two_hosts[0].exec("docker", "plugin", "ls", "-q").stdout == ""
