"""What a run creates is in the journal: by name before, by id as soon as that is printed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.machine.machine import Result
from scenarios.kit.created import Created

SERVICE = "docker service create -t --network net1 --name web --no-resolve-image image"
NETWORK = "docker network create -d overlay --subnet 172.45.0.0/16 net1"
ID = "8xwq0c2z0v7k1n5m3b9d6f4h2"
NOW = "2026-11-25T12:00:00.123456789Z"


@pytest.fixture
def made(tmp_path: Path) -> Created:
    journal = Journal(tmp_path / "journal.json")
    items = ("service web", "network net1", "container app1")
    return Created(journal, journal.begin(Change("machine1", "scenario", "run it", items)))


def machine() -> Any:
    return SimpleNamespace(docker=SimpleNamespace(info=lambda: {"SystemTime": NOW}))


def result(command: str, out: str, code: int | None = 0) -> Result:
    return Result("machine1", command, out, "", code, "", 0.1)


def written(made: Created) -> tuple[dict[str, str], dict[str, str]]:
    """What another process would find."""
    assert made.journal.path is not None
    (entry,) = Journal(made.journal.path).of("machine1")
    return entry.before, entry.after


def test_a_name_is_written_before_and_an_id_as_soon_as_it_is_printed(made: Created) -> None:
    made.begins(machine(), SERVICE)
    assert written(made) == ({"service web": NOW}, {})
    made.said(SERVICE, "")
    made.said(SERVICE, f"{ID}\noverall progress: 0 out of 1 tasks\n")
    assert written(made) == ({}, {ID: "service web"})
    made.begins(machine(), NETWORK)
    made.ended(NETWORK, result(NETWORK, "b" * 64 + "\n"))
    assert written(made) == ({}, {ID: "service web", "b" * 64: "network net1"})
    assert made.ids == {ID, "b" * 64}


def test_a_command_that_failed_has_created_nothing(made: Created) -> None:
    made.begins(machine(), NETWORK)
    made.ended(NETWORK, result(NETWORK, "", 1))
    assert written(made) == ({}, {})
    # Of one that was cut off it is not known.
    made.begins(machine(), NETWORK)
    made.ended(NETWORK, result(NETWORK, "", None))
    assert written(made) == ({"network net1": NOW}, {})


@pytest.mark.parametrize(
    "command",
    ["docker service ls", "docker network inspect net1", "docker service create --name other i"],
)
def test_other_commands_create_nothing_of_the_scenarios(made: Created, command: str) -> None:
    made.begins(machine(), command)
    made.ended(command, result(command, f"{ID}\n"))
    assert written(made) == ({}, {})


def test_a_container_is_known_by_the_id_that_docker_run_prints(made: Created) -> None:
    run = "docker run -d -t --name app1 --network net1 image"
    made.begins(machine(), run)
    assert written(made) == ({"container app1": NOW}, {})
    made.ended(run, result(run, "c" * 64 + "\n"))
    assert written(made) == ({}, {"c" * 64: "container app1"})
