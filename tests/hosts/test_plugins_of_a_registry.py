"""Plugins that a registry gives: asked about, installed on all nodes, saved; from a real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.engine import daemon_config
from provision.lab import lockfile
from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import destroy, export, running, up
from provision.plugins import archive, facts, install, privileges
from provision.support.errors import UserError
from provision.support.parallel import run_on_all
from tests.hosts import registry
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_plugins import nothing_left, plugin_archive
from tests.support.progress import quiet
from tests.vxlan_driver import package

DRIVER = f"{registry.NAME}/swarmrig/test-driver:1"
GREEDY = f"{registry.NAME}/swarmrig/greedy:1"
NONE: frozenset[privileges.Privilege] = frozenset()


@pytest.fixture(scope="module")
def filled(
    fabric: Fabric, two_hosts: list[Host], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A registry with the test driver and a plugin that asks for too much."""
    folder = tmp_path_factory.mktemp("registry")
    greedy = plugin_archive(folder, pidhost=True)
    with registry.serving(fabric, folder):
        first = two_hosts[0]
        insecure(two_hosts)
        for name, archive in ((DRIVER, package.archive()), (GREEDY, greedy)):
            script = f"mkdir /p && tar -xz -C /p && docker plugin create {name} /p; rm -rf /p"
            first.exec("sh", "-c", script, file=archive)
            first.exec("docker", "plugin", "push", name)
            first.exec("docker", "plugin", "rm", name)
        yield


def insecure(hosts: list[Host]) -> None:
    """Let the hosts use the registry, which speaks no TLS."""
    file = daemon_config.FILE
    for host in hosts:
        text = host.exec("cat", file).stdout
        wanted = daemon_config.merged(text, {"insecure-registries": [registry.NAME]})
        host.exec("sh", "-c", f"printf %s '{wanted}' > {file}; systemctl restart docker")
        host.wait_ready()


@pytest.fixture
def lab(filled: None, lab: Lab) -> Lab:
    return lab


def test_a_registry_is_asked_what_its_plugin_asks_for(lab: Lab) -> None:
    with running.machines_of(lab) as machines:
        asked = privileges.asked_of_registry(machines["machine1"], DRIVER)
        assert {str(one) for one in asked} == {"network:host", "capabilities:CAP_NET_ADMIN"}
        more = privileges.asked_of_registry(machines["machine1"], GREEDY)
    assert privileges.beyond(more, privileges.EXERCISE, NONE) == [
        privileges.Privilege("host pid namespace", "true")
    ]


def test_a_plugin_is_installed_on_all_nodes_once_set_enabled_and_removed(
    lab: Lab, two_hosts: list[Host]
) -> None:
    settings = package.settings(host.address for host in two_hosts)
    with running.machines_of(lab) as machines:
        want = install.resolve(machines.values(), PluginSpec(DRIVER, settings=settings))
        first = install.ensure(machines.values(), want)
        for name, machine in machines.items():
            ran = [result.command for result in first[name].commands]
            assert ran == [
                f"docker plugin install --disable --grant-all-permissions {DRIVER}",
                f"docker plugin enable {DRIVER}",
            ]
            there = facts.installed(machine, DRIVER)
            assert there is not None
            assert there.enabled
            assert settings.items() <= there.settings.items()
        # A second time nothing is to be done.
        again = install.ensure(machines.values(), want)
        assert [done.commands for done in again.values()] == [[], []]
        # One that is there and disabled is enabled; one that is set otherwise is set again.
        machines["machine1"].run_checked(f"docker plugin disable {DRIVER}")
        third = install.ensure(machines.values(), want)
        assert [len(done.commands) for done in third.values()] == [1, 0]
        other = dataclasses.replace(
            want, plugin=PluginSpec(DRIVER, settings={"PEERS": "10.77.0.1"})
        )
        fourth = install.ensure(machines.values(), other)
        assert [len(done.commands) for done in fourth.values()] == [2, 2]
        assert facts.installed(machines["machine2"], DRIVER).settings["PEERS"] == "10.77.0.1"  # type: ignore[union-attr]
        run_on_all("removing", machines.values(), lambda m: install.remove(m, DRIVER))
    assert nothing_left(two_hosts)


def test_more_than_was_granted_is_not_started_whoever_asked_before(
    lab: Lab, two_hosts: list[Host]
) -> None:
    with running.machines_of(lab) as machines:
        want = install.resolve([machines["machine1"]], PluginSpec(GREEDY))
        with pytest.raises(Exception, match="host pid namespace:true"):
            install.ensure([machines["machine1"]], want)
        there = facts.installed(machines["machine1"], GREEDY)
        assert there is not None
        assert not there.enabled
        install.remove(machines["machine1"], GREEDY)
    assert nothing_left(two_hosts)


def test_a_plugin_is_pulled_to_be_saved_and_goes_again(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    weave = dataclasses.replace(lab, weave=PluginSpec(DRIVER))
    with running.machines_of(lab) as machines:
        machine = machines["machine1"]
        saved = export.save(weave, machine, roots.TAG, tmp_path, NONE, quiet())
        config = archive.read_archive(saved.files[1])
        greedy = dataclasses.replace(lab, weave=PluginSpec(GREEDY))
        with pytest.raises(UserError, match="host pid namespace:true"):
            export.save(greedy, machine, roots.TAG, tmp_path, NONE, quiet())
    assert facts.socket_of(config) == "test-driver.sock"
    assert nothing_left(two_hosts)


@pytest.mark.usefixtures("filled")
def test_the_locked_image_is_pulled_though_its_tag_has_moved_on(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    name = f"{registry.NAME}/swarmrig/image:1"
    first = two_hosts[0]

    def ids() -> set[str]:
        form = ("image", "inspect", "-f", "{{.Id}}", name)
        return {host.exec("docker", *form).stdout.strip() for host in two_hosts}

    def remove() -> None:
        for host in two_hosts:
            host.exec("docker", "image", "rm", name)

    first.exec("docker", "tag", roots.TAG, name)
    first.exec("docker", "push", name)
    lab = lab_of(two_hosts, image=name)
    up.up(lab, quiet())
    locked = lockfile.read(lab, "hosts")
    assert locked is not None
    assert locked.image.digest.startswith("sha256:")
    assert ids() == {locked.image.id}

    first.exec("sh", "-c", f"docker create --name moved {roots.TAG} && docker commit moved {name}")
    first.exec("docker", "rm", "moved")
    first.exec("docker", "push", name)
    remove()
    up.up(lab, quiet())
    assert ids() == {locked.image.id}

    lockfile.write(lab, "hosts", None)
    remove()
    up.up(lab, quiet())
    assert locked.image.id not in ids()
    # What the lab has pulled goes with it.
    destroy.destroy(lab, quiet())
    for host in two_hosts:
        assert host.exec("docker", "image", "ls", "-q", name).stdout == ""
