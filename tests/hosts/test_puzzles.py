"""Each puzzle with real daemons: planted, seen broken, answered, repaired by hand over ssh.

One swarm for all of them. SWARMRIG_FAULTS=all plants those as well that are not quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from provision.changes import journal
from provision.lab.model import Lab
from provision.lifecycle import running
from scenarios.cli import puzzle as puzzles
from scenarios.puzzle.layers import LAYERS, SWARM
from scenarios.puzzle.puzzles import PUZZLES, Puzzle
from scenarios.puzzle.state import Kept
from tests.hosts.light_hosts import Host, wait_for
from tests.hosts.typed import type_on

ALL = os.environ.get("SWARMRIG_FAULTS") == "all"
# One of each kind of planting: packets, a daemon's file, the swarm's nodes, a service, a task.
QUICK = {3, 4, 10, 7, 16}

_TRACES = r"""
iptables-save | grep -e swarmrig
ls -d /run/swarmrig* /var/lib/swarmrig-faults 2>/dev/null
systemctl list-units --all --plain --no-legend 'swarmrig-fault*'
systemctl is-active docker docker.socket
cat /etc/docker/daemon.json 2>/dev/null
docker ps -q; docker network ls -q --filter name=puzzle; docker volume ls -q
"""


def traces(hosts: list[Host]) -> list[str]:
    """All of the hosts that a puzzle could leave changed."""
    return [
        f"{host.name} {line}"
        for host in hosts
        for line in host.exec("sh", "-c", _TRACES, check=False).stdout.splitlines()
    ] + hosts[0].exec(
        "docker", "node", "ls", "--format", "{{.Status}} {{.Availability}}"
    ).stdout.split()


class Player:
    """Somebody at a terminal of the controlling host, and at those of the machines."""

    def __init__(self, lab: Lab, hosts: list[Host], said: Callable[[], str]) -> None:
        self.lab, self.hosts, self._said = lab, hosts, said
        self.file = str(lab.file)
        self.kept = Kept(lab.files.puzzle)

    def _json(self) -> Any:
        return json.loads(self._said())

    def start(self, number: int, seed: str = "a class") -> dict[str, Any]:
        self._said()
        puzzles.start(running.opened, self.file, number, seed, "3600", as_json=True)
        return dict(self._json())

    def answers(self, machine: str, layer: str) -> dict[str, Any]:
        right = puzzles.answer(self.file, machine, layer, as_json=True)
        said = dict(self._json())
        assert right == said["right"]
        return said

    def checks(self) -> dict[str, Any]:
        solved = puzzles.check(running.opened, self.file, as_json=True)
        said = dict(self._json())
        assert solved == said["repaired"]
        return said

    def hint(self, stage: int) -> dict[str, Any]:
        puzzles.hint(self.file, stage, as_json=True)
        return dict(self._json())

    def types(self, machine: str, command: str) -> None:
        done = type_on(self.hosts[int(machine.removeprefix("machine")) - 1], command)
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        puzzles.stop(running.opened, self.file)
        self._said()


@pytest.fixture
def player(lab: Lab, two_hosts: list[Host], capsys: pytest.CaptureFixture[str]) -> Iterator[Player]:
    """A player; each test leaves the hosts as they were."""
    before = traces(two_hosts)
    made = Player(lab, two_hosts, lambda: capsys.readouterr().out)
    yield made
    made.stop()
    assert not made.kept.file.exists()
    wait_for("the hosts as they were", lambda: traces(two_hosts) == before, 120)
    written = journal.of_lab(lab)
    entries = [e for host in written.hosts() for e in written.of(host)]
    assert [e for e in entries if e.kind in {"fault", "scenario"}] == []


def chosen() -> list[Puzzle]:
    return [puzzle for puzzle in PUZZLES if ALL or puzzle.number in QUICK]


@pytest.mark.parametrize("puzzle", chosen(), ids=lambda puzzle: str(puzzle.number))
def test_a_puzzle_breaks_is_judged_and_is_repaired_by_its_last_hint(
    puzzle: Puzzle, player: Player
) -> None:
    assert player.start(puzzle.number)["observed"]
    state = player.kept.load()
    assert state is not None
    assert not player.checks()["repaired"]
    machine = state.names["on"] if state.place else SWARM
    wrong = {"machine1", "machine2", SWARM} - {machine}
    if puzzle.either:
        wrong = {SWARM}
    for other in sorted(wrong):
        assert not player.answers(other, puzzle.layers[0])["right"]
    for layer in set(LAYERS) - set(puzzle.layers):
        assert not player.answers(machine, layer)["right"]
    assert all(player.answers(machine, layer)["right"] for layer in puzzle.layers)
    assert player.hint(2)["commands"]
    for typed in player.hint(3)["commands"]:
        player.types(typed["machine"], typed["command"])
    checked = player.checks()
    assert checked["solved"], checked
