"""Scenarios that break something, on real daemons: each sees what it says, and leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.lab.model import Lab
from provision.lifecycle import up
from scenarios.record import model
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.hosts.taping import tape_again
from tests.support.progress import quiet


def healed(record: model.Record) -> None:
    """The fault was there while the steps ran, and is healed."""
    assert [one.healed for one in record.faults] == ["step"]
    assert [line.notes for line in record.timelines] == [[]]


def test_a_node_that_dies_loses_its_task_to_another_and_does_not_get_it_back(
    lab: Lab, tmp_path: Path
) -> None:
    record = tape_again("failover", lab, tmp_path)
    healed(record)
    # Light hosts have no power of their own: the node is cut off instead.
    assert [one.kind for one in record.faults] == ["partition"]


def test_a_daemon_that_hangs_is_replaced_though_its_task_runs_on(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("frozen", lab, tmp_path))


def test_what_is_lost_on_the_underlay_is_lost_in_the_overlay(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("lossy", lab, tmp_path))


def test_an_mtu_that_is_wrong_lets_pings_pass_and_hangs_tcp(lab: Lab, tmp_path: Path) -> None:
    healed(tape_again("narrow", lab, tmp_path))


@pytest.fixture
def third(two_hosts: list[Host], fabric: Fabric) -> Iterator[Host]:
    (host,) = fabric.add("machine3")
    host.load_image()
    yield host
    fabric.remove(host)


def test_two_of_three_managers_go_on_and_one_of_three_does_not(
    two_hosts: list[Host], third: Host, lab_of: Labs, tmp_path: Path
) -> None:
    lab = lab_of([*two_hosts, third], managers=3)
    up.up(lab, quiet())
    healed(tape_again("quorum", lab, tmp_path))
