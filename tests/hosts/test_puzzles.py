"""Each puzzle with real daemons: planted, seen broken, answered, repaired by hand over ssh.

One swarm for all of them. SWARMRIG_FAULTS=all plants those as well that are not quick.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from provision.changes import journal
from provision.cli import faults as fault_verbs
from provision.lab.model import Lab
from provision.lifecycle import destroy, running, status, up
from provision.support.errors import UserError
from scenarios.cli import puzzle as puzzles
from scenarios.puzzle.layers import LAYERS, SWARM
from scenarios.puzzle.puzzles import PUZZLES, Puzzle
from scenarios.puzzle.state import Kept
from tests.hosts.conftest import CLONE, Labs
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.typed import type_on
from tests.support.progress import quiet

ALL = os.environ.get("SWARMRIG_FAULTS") == "all"
# Packets, a service, a daemon's file; a drained node is planted before it is destroyed.
QUICK = {3, 7, 10}

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


# -- what is shown, and how it ends ----------------------------------------------------------------


def test_neither_faults_nor_status_say_where_it_is_and_heal_ends_it(
    player: Player, capsys: pytest.CaptureFixture[str]
) -> None:
    player.start(3)
    fault_verbs.show(player.file, as_json=True)
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["machine"], one["kind"], one["words"]) == ("", "puzzle", "a puzzle is on")
    (line,) = status._faults(player.lab)
    assert line.startswith("puzzle: a puzzle is on (heals in ")
    with pytest.raises(UserError, match=r"Puzzle 3 is on\."):
        player.start(5)
    fault_verbs.heal(player.file, "")
    capsys.readouterr()
    checked = player.checks()
    assert not checked["repaired"]
    assert checked["healed"].startswith("it was healed by inv fault.heal")
    # What is over makes room for the next one.
    assert player.start(7)["number"] == 7


def process(lab: Lab) -> subprocess.Popen[str]:
    """A process of its own that plants a puzzle, and says how far it has come."""
    code = f"""
        from scenarios.cli import puzzle
        from provision.lifecycle import running
        puzzle.start(running.opened, {str(lab.file)!r}, 3, "s", "3600", False)
        """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=CLONE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("moment", ["building", "planting"])
def test_killed_while_it_is_planted_it_can_be_taken_back(moment: str, player: Player) -> None:
    with process(player.lab) as dying:
        # The fixture sees that nothing is left of what was begun.
        wait_for(f"{moment}", lambda: (s := player.kept.load()) and s.phase == moment, 120)
        dying.kill()
        assert dying.wait(60) == -signal.SIGKILL
    with pytest.raises(UserError, match="cut off while it was planted"):
        player.hint(1)


def test_destroy_ends_a_puzzle_as_well(
    lab: Lab, two_hosts: list[Host], capsys: pytest.CaptureFixture[str]
) -> None:
    player = Player(lab, two_hosts, lambda: capsys.readouterr().out)
    player.start(4)
    destroy.destroy(lab, quiet())
    assert not lab.files.puzzle.exists()
    left = [host.exec("sh", "-c", _TRACES, check=False).stdout for host in two_hosts]
    assert not [line for text in left for line in text.splitlines() if "swarmrig" in line]


# -- several managers ------------------------------------------------------------------------------


@pytest.fixture
def three_hosts(fabric: Fabric, two_hosts: list[Host]) -> Iterator[list[Host]]:
    (third,) = fabric.add("machine3")
    third.load_image()
    yield [*two_hosts, third]
    fabric.remove(third)


@pytest.mark.skipif(not ALL, reason="two minutes: SWARMRIG_FAULTS=all runs it")
def test_in_a_lab_of_three_managers_the_shop_breaks_as_well(
    three_hosts: list[Host], lab_of: Labs, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = lab_of(three_hosts, managers=3)
    up.up(lab, quiet())
    player = Player(lab, three_hosts, lambda: capsys.readouterr().out)
    # Where a third machine, or another manager, could stand in for the one that is broken.
    for number in (9, 15, 17):
        assert player.start(number)["observed"], number
        for typed in player.hint(3)["commands"]:
            player.types(typed["machine"], typed["command"])
        checked = player.checks()
        assert checked["repaired"], (number, checked)
        player.stop()
