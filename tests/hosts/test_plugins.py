"""Plugins on real daemons: refused, not to be unpacked, not to be started, and nothing left.

The real Weave plugin cannot run on these hosts, whose kernel has neither `dummy` nor
`openvswitch`: what it then leaves its user with is the red test of how that is told.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provision.changes import journal
from provision.changes.change import Change
from provision.engine import daemon_config
from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import running, up
from provision.machine.machine import Machine
from provision.plugins import install, privileges
from provision.support.errors import MachineError, MachinesError, UserError
from scenarios.kit.scenario import StepPlan
from scenarios.record import model
from scenarios.weave import weave
from tests.hosts.light_hosts import Host
from tests.support.play import play as play_scenario
from tests.support.progress import quiet
from tests.unit.plugins.test_plugins import CONFIG

NAME = "swarmrig/no-plugin:latest"
ARCHIVE = os.environ.get("SWARMRIG_WEAVE_ARCHIVE", "")
needs_weave = pytest.mark.skipif(
    not ARCHIVE,
    reason="set SWARMRIG_WEAVE_ARCHIVE to a tar.gz of the Weave plugin's config.json and rootfs/",
)

Play = Callable[..., model.Record]


def plugin_archive(folder: Path, **more: Any) -> Path:
    """A plugin that asks for as much as Weave and more, and has no program to start."""
    file = folder / "plugin.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        data = json.dumps({**CONFIG, "entrypoint": ["/nothing"], **more}).encode()
        info = tarfile.TarInfo("config.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
        for name in ("rootfs", "rootfs/etc"):
            folder_info = tarfile.TarInfo(name)
            folder_info.type, folder_info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder_info)
    return file


@pytest.fixture
def play(lab: Lab, tmp_path: Path) -> Play:
    def go(
        plugin: PluginSpec,
        before: Callable[[StepPlan], None] | None = None,
        grants: frozenset[privileges.Privilege] = frozenset(),
        told: list[str] | None = None,
    ) -> model.Record:
        over = dataclasses.replace(lab, weave=plugin)
        return play_scenario(weave, over, tmp_path / "report", told, before, grants)

    return go


def nothing_left(hosts: list[Host]) -> bool:
    """No plugin, no folder that one was unpacked in, on any host."""
    return all(
        host.exec("docker", "plugin", "ls", "-q").stdout == ""
        and host.exec("sh", "-c", "ls -d /var/tmp/swarmrig-plugin.* 2>/dev/null || true").stdout
        == ""
        for host in hosts
    )


def on_first(lab: Lab, work: Callable[[Machine], Any]) -> Any:
    with running.machines_of(lab) as machines:
        return work(machines["machine1"])


# -- privileges and archives --------------------------------------------------------------------


def test_a_privilege_beyond_the_exercises_is_refused_by_name_before_anything_is_done(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    archive = plugin_archive(tmp_path, linux={"capabilities": ["CAP_SYS_RESOURCE"]})
    with pytest.raises(UserError, match="capabilities:CAP_SYS_RESOURCE") as caught:
        play(PluginSpec(NAME, archive))
    assert '--grant "capabilities:CAP_SYS_RESOURCE"' in caught.value.advice
    assert nothing_left(two_hosts)
    assert not (tmp_path / "report").exists()


def test_a_granted_privilege_is_no_trouble_and_what_cannot_start_is_removed(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    archive = plugin_archive(tmp_path, linux={"capabilities": ["CAP_SYS_RESOURCE"]})
    grants = privileges.granted(["capabilities:CAP_SYS_RESOURCE"])
    result = play(PluginSpec(NAME, archive), grants=grants)
    steps = {step.number: step for step in result.steps}
    assert steps["1"].state == "error"
    assert f"machine1: plugin {NAME} does not start: the engine could not" in steps["1"].reason
    assert steps["3"].state == "skipped"
    assert steps["0"].state == "passed"
    assert nothing_left(two_hosts)


def test_another_drivers_archive_is_not_called_weave(play: Play, tmp_path: Path) -> None:
    other = {"socket": "other.sock", "types": ["docker.networkdriver/1.0"]}
    with pytest.raises(UserError, match=r"is not Weave Net: its socket is 'other\.sock'"):
        play(PluginSpec(NAME, plugin_archive(tmp_path, interface=other)))


def test_a_setting_that_the_plugin_does_not_have_is_told_with_those_it_has(
    play: Play, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no setting IPALLOC") as caught:
        play(PluginSpec(NAME, plugin_archive(tmp_path), settings={"IPALLOC": "10.0.0.0/8"}))
    assert "WEAVE_PASSWORD" in caught.value.advice


def test_an_archive_that_docker_refuses_leaves_no_folder_behind(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    result = play(PluginSpec(NAME, plugin_archive(tmp_path, entrypoint="no list")))
    step = next(step for step in result.steps if step.number == "1")
    assert step.state == "error"
    assert "docker plugin create" in step.reason
    assert nothing_left(two_hosts)


def test_a_plugin_that_no_registry_gives_is_told_with_what_to_do(play: Play) -> None:
    with pytest.raises(MachineError, match="no registry gives it") as caught:
        play(PluginSpec("nobody/nothing:1"))
    assert "plugin_archive" in caught.value.advice


def test_a_plugin_that_has_more_than_the_archive_says_is_not_started(
    play: Play, lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    # It is there already, under that name, with more than the archive says; the lab's own note of
    # a run that was killed, without which one that is there is not taken at all.
    for host in two_hosts:
        journal.of_lab(lab).begin(Change(host.name, "plugin", "a run that was killed", (NAME,)))
    more = plugin_archive(tmp_path, linux={"capabilities": ["CAP_SYS_RESOURCE"]})
    for host in two_hosts:
        host.exec("sh", "-c", f"mkdir /p; tar -xz -C /p; docker plugin create {NAME} /p", file=more)
    try:
        result = play(PluginSpec(NAME, plugin_archive(tmp_path)))
    finally:
        for host in two_hosts:
            host.exec("rm", "-rf", "/p")
    step = next(step for step in result.steps if step.number == "1")
    assert step.state == "error"
    assert "capabilities:CAP_SYS_RESOURCE" in step.reason
    assert nothing_left(two_hosts)


# -- the real plugin, where its kernel modules are missing --------------------------------------


@needs_weave
def test_a_missing_socket_is_told_as_the_missing_kernel_modules_that_it_is(
    play: Play, two_hosts: list[Host]
) -> None:
    for host in two_hosts:
        host.exec("mkdir", "-p", "/lib/modules")
    try:
        result = play(PluginSpec("swarmrig/weave:test", Path(ARCHIVE)))
    finally:
        for host in two_hosts:
            host.exec("rmdir", "/lib/modules")
    step = next(step for step in result.steps if step.number == "1")
    assert step.state == "error"
    assert "machine1: plugin swarmrig/weave:test does not start" in step.reason
    assert "the machine's kernel lacks what the plugin needs" in step.reason
    assert "not to be loaded here:" in step.reason
    assert "creating dummy interface: operation not supported" in step.reason
    assert "no such file or directory" not in step.reason
    # The transcript has what was run, and what little Docker said of it.
    enabling = [run for run in step.commands if run.command.startswith("docker plugin enable")]
    assert {run.machine for run in enabling} == {"machine1", "machine2"}
    assert all("weave.sock: connect: no such file" in run.stderr for run in enabling)
    assert result.verdict == "error"
    clean = next(step for step in result.steps if step.number == "0")
    assert clean.state == "passed", clean
    assert nothing_left(two_hosts)
    assert "weave" not in two_hosts[0].exec("ip", "-br", "link").stdout


@needs_weave
def test_a_password_is_in_nothing_that_is_written_or_logged(
    play: Play, two_hosts: list[Host], tmp_path: Path
) -> None:
    # These hosts have no /lib/modules at all, which the engine itself says.
    told: list[str] = []
    secret = "open-sesame-1906"  # noqa: S105 - a test's
    plugin = PluginSpec("swarmrig/weave:test", Path(ARCHIVE), password=secret)
    result = play(plugin, told=told)
    reason = next(step for step in result.steps if step.number == "1").reason
    assert "the machine has no folder /lib/modules" in reason
    assert secret not in "\n".join(told)
    assert secret not in result.model_dump_json()
    for file in (tmp_path / "report").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
    for host in two_hosts:
        # sudo and sshd log the commands that are run.
        assert secret not in host.exec("journalctl", "--no-pager").stdout


@needs_weave
def test_an_interrupt_while_the_plugin_is_made_leaves_none_of_it(
    lab: Lab, two_hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running.machines_of(lab) as machines:
        want = install.resolve(machines.values(), PluginSpec("swarmrig/weave:test", Path(ARCHIVE)))
        # Ctrl-C arrives in the thread that waits, while the others are at work.
        pool: list[Any] = []

        def early(what: str, some: Any, work: Any) -> Any:
            for machine in some:
                thread = threading.Thread(target=_quietly, args=(work, machine))
                thread.start()
                pool.append(thread)
            while not any(
                host.exec("sh", "-c", "ls -d /var/tmp/swarmrig-plugin.* || true").stdout
                for host in two_hosts
            ):
                time.sleep(0.1)
            raise KeyboardInterrupt

        monkeypatch.setattr("provision.plugins.install.run_on_all", early)
        with pytest.raises(KeyboardInterrupt):
            install.ensure(machines.values(), want)
        assert not any(thread.is_alive() for thread in pool)
        monkeypatch.undo()
        for machine in machines.values():
            install.remove(machine, want.reference)
    assert nothing_left(two_hosts)


def _quietly(work: Callable[[Machine], Any], machine: Machine) -> None:
    try:
        work(machine)
    except MachineError:
        return


# -- daemon.json --------------------------------------------------------------------------------


def test_a_setting_is_merged_into_daemon_json_and_the_engine_runs_with_it(
    lab: Lab, two_hosts: list[Host]
) -> None:
    before = two_hosts[0].exec("cat", "/etc/docker/daemon.json").stdout
    files = two_hosts[0].exec("ls", "-A", "/etc/docker").stdout
    pid = two_hosts[0].exec("systemctl", "show", "-p", "MainPID", "docker").stdout
    wanted = {"labels": ["exercise=6.05"]}
    try:
        assert on_first(lab, lambda m: daemon_config.ensure(m, wanted, quiet()))
        after = json.loads(two_hosts[0].exec("cat", "/etc/docker/daemon.json").stdout)
        assert after == {**json.loads(before), **wanted}
        assert on_first(lab, lambda m: m.docker.info()["Labels"]) == ["exercise=6.05"]
        again = two_hosts[0].exec("systemctl", "show", "-p", "MainPID", "docker").stdout
        assert again != pid
        # A second time there is nothing to do, and the engine is left running.
        assert not on_first(lab, lambda m: daemon_config.ensure(m, wanted, quiet()))
        assert two_hosts[0].exec("systemctl", "show", "-p", "MainPID", "docker").stdout == again
        assert two_hosts[0].exec("ls", "-A", "/etc/docker").stdout == files
    finally:
        two_hosts[0].exec("tee", "/etc/docker/daemon.json", file=_file(lab, before))
        two_hosts[0].exec("systemctl", "restart", "docker")
        two_hosts[0].wait_ready()


def test_a_setting_that_the_engine_does_not_know_is_taken_back(
    lab: Lab, two_hosts: list[Host]
) -> None:
    before = two_hosts[0].exec("cat", "/etc/docker/daemon.json").stdout
    # Debian 12's 20.10 has no such setting and says so when it starts; newer ones can check a file.
    words = "does not (start with|accept) min-api-version"
    files = two_hosts[0].exec("ls", "-A", "/etc/docker").stdout
    with pytest.raises(MachineError, match=words) as caught:
        on_first(lab, lambda m: daemon_config.ensure(m, {"min-api-version": "1.24"}, quiet()))
    assert "Docker runs with it" in caught.value.advice
    assert two_hosts[0].exec("ls", "-A", "/etc/docker").stdout == files
    assert on_first(lab, lambda m: bool(m.docker.ping()))
    assert two_hosts[0].exec("cat", "/etc/docker/daemon.json").stdout == before
    assert two_hosts[0].exec("docker", "version", check=False).returncode == 0
    up.up(lab, quiet())


def test_a_daemon_json_that_is_not_valid_is_left_to_its_owner(
    lab: Lab, two_hosts: list[Host]
) -> None:
    before = two_hosts[1].exec("cat", "/etc/docker/daemon.json").stdout
    two_hosts[1].exec("tee", "/etc/docker/daemon.json", file=_file(lab, "{ broken"))
    try:
        with running.machines_of(lab) as machines, pytest.raises(UserError, match="not valid"):
            daemon_config.ensure(machines["machine2"], {"debug": True}, quiet())
        assert two_hosts[1].exec("cat", "/etc/docker/daemon.json").stdout == "{ broken"
    finally:
        two_hosts[1].exec("tee", "/etc/docker/daemon.json", file=_file(lab, before))


def test_up_of_a_lab_for_weave_leaves_an_engine_alone_that_serves_its_plugin(
    lab: Lab, two_hosts: list[Host]
) -> None:
    pid = two_hosts[0].exec("systemctl", "show", "-p", "MainPID", "docker").stdout
    up.up(dataclasses.replace(lab, weave=PluginSpec()), quiet())
    assert two_hosts[0].exec("systemctl", "show", "-p", "MainPID", "docker").stdout == pid


def test_up_names_the_engine_to_pin_where_no_setting_helps(lab: Lab) -> None:
    # An engine of 20.10 serves 1.12 and later; nothing that was ever published asks for less.
    old = PluginSpec(settings={"DOCKER_API_VERSION": "1.10"})
    with pytest.raises(MachinesError, match=r"asks for 1\.10") as caught:
        up.up(dataclasses.replace(lab, weave=old), quiet())
    assert "docker.version" in caught.value.report()


def test_the_copy_of_lab_toml_that_up_keeps_is_for_its_owner_alone(lab: Lab) -> None:
    # It can hold the mesh's password.
    assert (lab.state / "lab.toml").stat().st_mode & 0o777 == 0o600


def _file(lab: Lab, text: str) -> Path:
    file = lab.home / "daemon.json"
    file.write_text(text)
    return file
