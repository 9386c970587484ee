"""Three managers: a quorum that is lost is recovered only where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from provision.lab.model import Lab
from provision.lifecycle import dry_run, edit, up
from provision.support.errors import MachineError
from tests.hosts import root as roots
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_existing import told
from tests.hosts.test_many import managers
from tests.hosts.test_provision import nodes
from tests.support.progress import quiet

NAMES = {"machine14", "machine15", "machine16"}


@pytest.fixture
def three_managers(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add(*sorted(NAMES))
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


@pytest.fixture
def lab(three_managers: list[Host], lab_of: Labs) -> Lab:
    """A lab of three managers, with a service, a secret and a config in its swarm."""
    made = lab_of(three_managers, managers=3)
    up.up(made, quiet())
    first = three_managers[0]
    create = "docker service create -q -t -d --name kept --no-resolve-image"
    first.exec("sh", "-c", f"{create} {roots.TAG}")
    for kind in ("secret", "config"):
        first.exec("sh", "-c", f"echo x | docker {kind} create kept -")
    return made


def swarm_state(host: Host) -> str:
    form = "{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}"
    return host.exec("docker", "info", "-f", form).stdout


def kept(host: Host) -> list[str]:
    return [
        host.exec("docker", kind, "ls", "--format", "{{.Name}}").stdout.strip()
        for kind in ("service", "secret", "config")
    ]


def test_a_power_cut_of_all_managers_needs_no_flag(lab: Lab, three_managers: list[Host]) -> None:
    for host in three_managers:
        host.crash()
    for host in three_managers:
        host.boot()
    for host in three_managers:
        host.wait_ready()
    up.up(lab, quiet())
    assert managers(three_managers[0]) == NAMES
    assert kept(three_managers[0]) == ["kept"] * 3


def test_a_lost_quorum_is_named_and_recovered_only_with_the_flag(
    lab: Lab, lab_of: Labs, three_managers: list[Host]
) -> None:
    for host in three_managers[:2]:
        host.recreate()
    for host in three_managers[:2]:
        host.wait_ready()
        host.load_image()
    lab = lab_of(three_managers, managers=3)
    before = swarm_state(three_managers[2])
    for attempt in (dry_run.dry_run, up.up):
        with pytest.raises(MachineError) as caught:
            attempt(lab, quiet())
        said = str(caught.value)
        assert "machine16: its swarm has no leader" in said
        assert "not in it any more: machine14, machine15" in said
        assert "inv up --recover-swarm" in caught.value.advice
        assert swarm_state(three_managers[2]) == before
        assert [swarm_state(host).split()[0] for host in three_managers[:2]] == ["inactive"] * 2

    assert "recover the swarm" in dry_run.dry_run(lab, quiet(), recover_swarm=True)
    progress, out = told()
    up.up(lab, progress, recover_swarm=True)
    assert "recovered the swarm of machine16" in out.getvalue()
    assert "1 services, 1 secrets and 1 configs" in out.getvalue()
    assert kept(three_managers[2]) == ["kept"] * 3
    assert managers(three_managers[2]) == NAMES
    assert sorted(line.split()[1] for line in nodes(three_managers[2])) == sorted(NAMES)


def test_a_manager_is_not_removed_from_a_swarm_that_does_not_answer(
    lab: Lab, three_managers: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    # An engine that starts in time would be waited for; these never do.
    monkeypatch.setattr(edit, "_PATIENCE", 5.0)
    for host in three_managers[:2]:
        host.exec("systemctl", "stop", "docker.socket", "docker")
    smaller = replace(lab, machines=lab.machines[:2])
    before = swarm_state(three_managers[2])
    text = lab.file.read_text()
    lab.file.write_text("[[machines]]".join(text.split("[[machines]]")[:3]))
    with pytest.raises(MachineError, match="machine16: not removed, for no manager") as caught:
        up.up(smaller, quiet())
    assert "--recover-swarm" in caught.value.advice
    assert swarm_state(three_managers[2]) == before
