"""Archives of a running lab's image and plugin: taken by the next lab as they are."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from provision.engine import images
from provision.lab.model import Lab, PluginSpec
from provision.lifecycle import export, running
from provision.plugins import archive, facts, privileges
from provision.support.errors import MachineError, UserError
from tests.hosts import root as roots
from tests.hosts.light_hosts import Host
from tests.hosts.test_plugins import NAME, plugin_archive
from tests.support.progress import quiet

NONE: frozenset[privileges.Privilege] = frozenset()


@pytest.fixture
def lab(lab: Lab) -> Lab:
    return dataclasses.replace(lab, weave=PluginSpec(NAME))


def save(lab: Lab, folder: Path) -> export.Saved:
    with running.machines_of(lab) as machines:
        return export.save(lab, machines["machine1"], roots.TAG, folder, NONE, quiet())


def make(host: Host, archive: Path) -> None:
    script = f"mkdir /p && tar -xz -C /p && docker plugin create {NAME} /p; rm -rf /p"
    host.exec("sh", "-c", script, file=archive)


def test_image_and_plugin_are_saved_as_archives_that_a_lab_takes(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    make(two_hosts[0], plugin_archive(tmp_path))
    try:
        # Below lab.toml's folder, so that the hint's paths are relative to it.
        saved = save(lab, lab.home / "archives")
        image, plugin = saved.files
        with running.machines_of(lab) as machines:
            there = machines["machine1"].docker.images.get(roots.TAG).id
            asked = privileges.asked_in(facts.installed(machines["machine1"], NAME).config)  # type: ignore[union-attr]
        assert images.archive_tags(image) == {roots.TAG: there}
        config = archive.read_archive(plugin)
        assert privileges.asked_in(config) == asked
        assert facts.settable(config) == {"WEAVE_PASSWORD"}
        hint = tomllib.loads(saved.hint)
        assert hint["images"] == {"scenario": roots.TAG, "archives": [f"archives/{image.name}"]}
        assert hint["weave"] == {"plugin": NAME, "plugin_archive": f"archives/{plugin.name}"}
        # What was made of it is the same plugin.
        two_hosts[0].exec("docker", "plugin", "rm", NAME)
        make(two_hosts[0], plugin)
        again = save(lab, tmp_path / "again").files[1]
        assert archive.read_archive(again) == config
        assert two_hosts[0].exec("sh", "-c", "ls /var/tmp").stdout == ""
    finally:
        two_hosts[0].exec("docker", "plugin", "rm", NAME, check=False)


def test_a_plugin_that_is_nowhere_is_told(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no registry gives it"):
        save(lab, tmp_path / "archives")


def test_more_privileges_than_the_exercises_are_refused_here_too(
    lab: Lab, two_hosts: list[Host], tmp_path: Path
) -> None:
    make(two_hosts[0], plugin_archive(tmp_path, pidhost=True))
    try:
        with pytest.raises(UserError, match="host pid namespace:true"):
            save(lab, tmp_path / "archives")
    finally:
        two_hosts[0].exec("docker", "plugin", "rm", NAME)


def test_what_cannot_be_fetched_leaves_no_half_file(lab: Lab, tmp_path: Path) -> None:
    with (
        running.machines_of(lab) as machines,
        pytest.raises(MachineError, match="ended with 3: no luck"),
    ):
        machines["machine1"].fetch("echo half; echo no luck >&2; exit 3", tmp_path / "f" / "file")
    assert list((tmp_path / "f").iterdir()) == []
