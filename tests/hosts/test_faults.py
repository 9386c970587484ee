"""Hosts that freeze, lose their network, hang or hear one way only: named, and nothing hangs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.lab.model import Lab
from provision.lifecycle import status, up
from provision.ssh import client_config
from provision.support.errors import MachinesError
from scenarios.overlay import overlay
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.test_provision import nodes
from tests.support.play import play
from tests.support.progress import quiet

Fault = Callable[[Host], contextlib.AbstractContextManager[None]]
UNREACHED = [
    pytest.param(Host.frozen, id="frozen"),
    pytest.param(Host.unplugged, id="unplugged"),
]
# Each verb below has to end by itself long before this.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def lab(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(client_config, "ANSWER", 4.0)
    return lab


def rows(lab: Lab) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in status.look(lab)["machines"]}


@pytest.mark.parametrize("fault", UNREACHED)
def test_every_verb_says_which_host_it_cannot_reach(
    lab: Lab, two_hosts: list[Host], fault: Fault, tmp_path: Path
) -> None:
    before = nodes(two_hosts[0])
    with fault(two_hosts[1]):
        seen = rows(lab)
        assert re.search("no SSH|no answer", seen["machine2"]["node"])
        assert seen["machine2"]["state"] == "unknown"
        assert seen["machine1"]["state"] == "running"

        with pytest.raises(MachinesError, match="machine2: no SSH") as caught:
            up.up(lab, quiet())
        assert list(caught.value.failures) == ["machine2"]

        with pytest.raises(MachinesError, match="machine2: no SSH"):
            play(overlay, lab, tmp_path)
    up.up(lab, quiet())
    assert nodes(two_hosts[0]) == before
    assert rows(lab)["machine2"]["node"] == "ready"


def test_an_engine_that_hangs_is_told_by_status(lab: Lab, two_hosts: list[Host]) -> None:
    with two_hosts[0].hung("docker"):
        seen = rows(lab)
        assert "no answer" in seen["machine1"]["node"]
        assert seen["machine2"]["engine"]
    assert rows(lab)["machine1"]["node"] == "ready (leader)"


def test_a_host_that_hears_no_answers_cannot_join_and_can_when_it_hears_again(
    lab: Lab, two_hosts: list[Host], fabric: Fabric
) -> None:
    two_hosts[1].exec("docker", "swarm", "leave", "--force")
    with (
        fabric.deaf(two_hosts[1], to=two_hosts[0]),
        pytest.raises(MachinesError, match=r"could not join the swarm at 10\.77\.0\.1:2377") as no,
    ):
        up.up(lab, quiet())
    assert "Can machine2 reach 10.77.0.1 on TCP 2377?" in no.value.report()
    up.up(lab, quiet())
    assert [line.split()[1] for line in nodes(two_hosts[0])].count("machine2") == 1
