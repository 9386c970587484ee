"""The core of a lab with each release's Docker: from bare hosts to reports, and back.

The other tests of this tier run on one release.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.lab.model import PluginSpec
from provision.lifecycle import destroy, up
from scenarios.overlay import overlay
from scenarios.record import model
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_existing import look
from tests.hosts.test_overlay import NO_IPVS
from tests.hosts.test_provision import nodes
from tests.support.play import play, skipped
from tests.support.progress import quiet
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import tunnel


# Of the module, or it would be set up within the hosts' network, where no root can be built.
@pytest.fixture(scope="module", params=list(roots.RELEASES))
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bare(fabric: Fabric, release: str) -> Iterator[list[Host]]:
    hosts = fabric.add("machine3", "machine4", docker=False, release=release)
    yield hosts
    fabric.remove(*hosts)


def captures(result: model.Record) -> dict[str, int]:
    """How many captures each step has that has some."""
    return {step.number: len(step.captures) for step in result.steps if step.captures}


def test_bare_hosts_get_docker_a_swarm_and_both_exercises_and_are_set_back(
    release: str, bare: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of(bare, user="plain", archive=True)
    before = look(bare)

    up.up(lab, quiet())
    for host in bare:
        version = host.exec("docker", "version", "-f", "{{.Server.Version}}").stdout
        assert int(version.split(".")[0]) >= roots.RELEASES[release].docker_major
    assert [line.split()[2] for line in nodes(bare[0])] == ["Ready", "Ready"]

    told: list[str] = []
    result = play(overlay, lab, tmp_path / "overlay", told)
    assert result.verdict == "passed", told
    assert skipped(result) == {host.name: NO_IPVS[host.name] for host in bare}
    assert [f"{step.number}: {step.reason}" for step in result.steps if step.reason] == []
    assert captures(result) == {"14": 2, "15": 2}

    addresses = [host.address for host in bare]
    plugin = PluginSpec(package.NAME, package.archive(), settings=package.settings(addresses))
    told.clear()
    result = play(tunnel, dataclasses.replace(lab, weave=plugin), tmp_path / "tunnel", told)
    assert result.verdict == "passed", told
    assert captures(result) == {"8a": 2, "8b": 2}

    destroy.destroy(lab, quiet(), purge=True)
    assert look(bare) == before
    assert not lab.state.exists()
