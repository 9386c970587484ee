"""A puzzle from its beginning to its end, on machines and a shop whose answers are given."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.changes.journal import Journal
from provision.faults.fault import Fault
from provision.faults.making import Active, Made
from provision.lab import load
from provision.lab.model import Lab
from provision.machine.machine import Result
from provision.support.errors import MachineError, UserError
from scenarios.cli import puzzle as verbs
from scenarios.cli import puzzle_text as text
from scenarios.kit import runner
from scenarios.puzzle import answers, game, situation
from scenarios.puzzle.game import Game
from scenarios.puzzle.puzzles import BY_NUMBER
from scenarios.puzzle.situation import LINES, SHOP, STOCK, Seen
from scenarios.puzzle.state import Kept, State

WORKS = Seen("http://10.0.0.1:8480", {SHOP: "1/1", STOCK: "1/1"}, True, True, LINES)
BROKEN = dataclasses.replace(WORKS, stocked=False)


class World:
    """The shop, the faults, and what is done to them in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.works = True
        self.planted: list[str] = []
        self.harmless = False
        self.refused: set[str] = set()
        self.there = True  # whether the machine says that the fault is there
        self.cannot_say: int | None = None  # the exit code of a machine that cannot be asked
        self.dies = ""
        self.looks = 0
        self.restarts = False  # whether the shop is away for a moment, and comes back
        self.state: Kept

    def step(self, what: str) -> None:
        self.done.append(what)
        if self.dies == what:
            raise SystemExit("killed")

    # -- the shop --

    def build(self, machines: Any, names: Any, done: Any) -> None:
        assert self.state.load()
        self.step("build")

    def look(self, machines: Any) -> Seen:
        return WORKS if self.works else BROKEN

    def look_until(self, machines: Any, works: bool, patience: float) -> Seen:
        self.looks += 1
        if self.restarts and self.looks == 2:
            return BROKEN
        return self.look(machines)

    def remove(self, machines: Any, done: Any) -> None:
        self.step("remove")

    # -- its faults --

    def make(self, fault: Fault, seconds: float, most: float, secret: bool) -> Made:
        assert secret
        kept = self.state.load()
        assert kept is not None
        assert kept.phase == "planting"
        if fault.kind in self.refused:
            raise MachineError(f"no {fault.kind} here")
        self.step("plant")
        self.planted.append(fault.kind)
        self.works = self.harmless
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        there = {"machine1": "iptables -C", "machine2": "iptables -C"}
        return Made(f"id{len(self.planted)}", fault, "", end.isoformat(), there)

    def heal_all(self, kind: str) -> list[Active]:
        assert kind == "puzzle"
        self.step("heal")
        if self.planted:
            self.works = True
        self.planted.clear()
        return []

    def written(self) -> list[Active]:
        return [Active("id", "machine1", "puzzle", "a puzzle is on", 9) for _ in self.planted]


class Machine:
    def __init__(self, plan: Any, world: World) -> None:
        self.plan, self.world = plan, world
        self.name, self.address = plan.name, plan.address

    def run(self, command: str, timeout: float, sudo: bool = False) -> Result:
        if "node ls" in command:
            return Result(self.name, command, "Ready\nReady\n", "", 0, "", 0)
        if self.world.cannot_say is not None:
            return Result(self.name, command, "", "sudo: a password", self.world.cannot_say, "", 0)
        return Result(self.name, command, "there\n" if self.world.there else "gone\n", "", 0, "", 0)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "lab.toml").write_text("")
    return load.load(tmp_path / "lab.toml")


@pytest.fixture
def world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.state = Kept(lab.files.puzzle)
    for name in ("build", "look", "look_until", "remove"):
        monkeypatch.setattr(situation, name, getattr(made, name))
    monkeypatch.setattr(runner, "refuse_others", lambda *_: None)
    faults = SimpleNamespace(make=made.make, heal_all=made.heal_all, journal=Journal())
    monkeypatch.setattr(Game, "_faults", lambda _: faults)
    monkeypatch.setattr(game, "written_down", lambda _: made.written())
    return made


@pytest.fixture
def playing(lab: Lab, world: World) -> Game:
    machines = {plan.name: Machine(plan, world) for plan in lab.machines}
    infos = {name: {"Swarm": {"NodeID": f"id-of-{name}"}} for name in machines}
    setup: Any = SimpleNamespace(
        lab=lab,
        machines=machines,
        image="alpine:latest",
        ordered=list(machines.values()),
        by_place=machines,
        see_enough=lambda _: None,
        infos=lambda: infos,
    )
    return Game(setup, lambda _: None)


def kept(lab: Lab) -> State:
    state = Kept(lab.files.puzzle).load()
    assert state is not None
    return state


# -- beginning -------------------------------------------------------------------------------------


def test_what_comes_is_written_down_then_the_shop_then_the_fault(
    playing: Game, world: World, lab: Lab
) -> None:
    state = playing.start(3, "seed", 3600)
    assert world.done == ["build", "plant"]
    assert kept(lab) == state
    assert (state.phase, state.number, state.seed) == ("on", 3, "seed")
    assert state.observed == BROKEN.complaints()
    assert 3500 < state.left <= 3600


def test_the_same_seed_plants_the_same(playing: Game) -> None:
    first = playing.start(0, "class", 60)
    playing.stop()
    second = playing.start(0, "class", 60)
    assert (first.number, first.place) == (second.number, second.place)


def test_what_the_machines_cannot_have_is_passed_over_unless_it_was_asked_for(
    playing: Game, world: World, lab: Lab
) -> None:
    first = playing.start(0, "class", 60).number
    world.refused = {fault.kind for fault in BY_NUMBER[first].plant(playing._scene(kept(lab)))}
    playing.stop()
    assert playing.start(0, "class", 60).number != first
    playing.stop()
    with pytest.raises(MachineError, match="here"):
        playing.start(first, "class", 60)
    assert not lab.files.puzzle.exists()


def test_a_shop_that_does_not_work_is_not_broken_any_further(
    playing: Game, world: World, lab: Lab
) -> None:
    world.works = False
    with pytest.raises(MachineError, match="does not work before anything is broken"):
        playing.start(3, "s", 60)
    assert world.done == ["build", "heal", "remove"]
    assert not lab.files.puzzle.exists()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_fault_that_breaks_nothing_for_good_is_no_puzzle(
    restarts: bool, playing: Game, world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.harmless, world.restarts = True, restarts
    monkeypatch.setattr(game, "_BREAKS", 0.05)
    with pytest.raises(MachineError, match="Puzzle 3 has broken nothing on this lab"):
        playing.start(3, "s", 60)
    assert world.done[-2:] == ["heal", "remove"]
    assert not lab.files.puzzle.exists()


@pytest.mark.parametrize("moment", ["build", "plant"])
def test_killed_on_the_way_it_says_so_and_can_be_taken_back(
    moment: str, playing: Game, world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dies = moment
    monkeypatch.setattr(Game, "stop", lambda _: None)  # killed: nothing is cleaned up
    with pytest.raises(SystemExit):
        playing.start(3, "s", 60)
    monkeypatch.undo()
    with pytest.raises(UserError, match="cut off while it was planted") as caught:
        answers.hint(Kept(lab.files.puzzle))
    assert caught.value.advice == "Take it back: inv puzzle.stop"


def test_what_stop_cannot_remove_it_keeps_for_the_next_time(
    playing: Game, world: World, lab: Lab
) -> None:
    playing.start(3, "s", 60)
    world.dies = "remove"
    with pytest.raises(SystemExit):
        playing.stop()
    assert kept(lab).number == 3
    world.dies = ""
    playing.stop()
    assert not lab.files.puzzle.exists()


# -- answers ---------------------------------------------------------------------------------------


def test_machine_and_layer_are_judged_each(playing: Game, lab: Lab) -> None:
    state = playing.start(3, "s", 60)
    on, other = state.names["on"], state.names["other"]
    file = Kept(lab.files.puzzle)
    for machine, layer, right in (
        (on, "names", (True, False)),
        (other, "overlay", (False, True)),
        ("swarm", "mtu", (False, False)),
        (on, "underlay", (True, True)),
    ):
        given = answers.answer(file, lab, machine, layer)
        assert (given.machine_right, given.layer_right) == right
    assert [one.right for one in kept(lab).answers] == [False, False, False, True]
    assert "More exactly: overlay." in text.answer(kept(lab), given)


def test_where_no_machine_has_the_fault_the_answer_is_swarm(playing: Game, lab: Lab) -> None:
    playing.start(2, "s", 60)
    file = Kept(lab.files.puzzle)
    assert not answers.answer(file, lab, "machine2", "scheduling").right
    assert answers.answer(file, lab, "swarm", "scheduling").right


def test_what_lies_between_both_machines_is_right_on_each(playing: Game, lab: Lab) -> None:
    playing.start(5, "s", 60)
    file = Kept(lab.files.puzzle)
    assert all(answers.answer(file, lab, m, "mtu").right for m in ("machine1", "machine2"))
    assert not answers.answer(file, lab, "swarm", "mtu").right


def test_an_answer_that_names_nothing_is_refused_and_does_not_count(
    playing: Game, lab: Lab
) -> None:
    playing.start(2, "s", 60)
    file = Kept(lab.files.puzzle)
    with pytest.raises(UserError, match="no machine 'machine9'"):
        answers.answer(file, lab, "machine9", "mtu")
    with pytest.raises(UserError, match=r"no layer 'overlai': did you mean 'overlay'\?"):
        answers.answer(file, lab, "machine1", "overlai")
    assert kept(lab).answers == []


# -- hints -----------------------------------------------------------------------------------------


def test_hints_come_in_three_stages_and_are_counted(playing: Game, lab: Lab) -> None:
    state = playing.start(3, "s", 60)
    file = Kept(lab.files.puzzle)
    given = [answers.hint(file) for _ in range(4)]
    assert [one.stage for one in given] == [1, 2, 3, 3]
    assert not given[0].commands
    assert (state.names["on"], "sudo iptables -t mangle -S") in given[1].commands
    assert given[2].commands == [(state.names["on"], "sudo iptables -t mangle -F swarmrig-id1")]
    assert kept(lab).hints == 3
    with pytest.raises(UserError, match="There is no hint 4"):
        answers.hint(file, 4)


def test_a_filter_of_nft_is_repaired_with_nft(playing: Game, lab: Lab) -> None:
    state = playing.start(3, "s", 60)
    state.there = {state.names["on"]: "nft list table ip x | grep -q drop"}
    Kept(lab.files.puzzle).save(state)
    (typed,) = answers.hint(Kept(lab.files.puzzle), 3).commands
    assert typed[1] == f"sudo nft delete table ip swarmrig-{lab.name}-id1"


# -- the repair ------------------------------------------------------------------------------------


def test_it_is_repaired_when_the_shop_works_and_the_fault_is_gone(
    playing: Game, world: World, lab: Lab
) -> None:
    playing.start(3, "s", 60)
    assert not playing.check().solved
    world.works = True
    around = playing.check()
    assert (around.seen.works, around.solved) == (True, False)
    assert "something goes around it" in text.check(kept(lab), around)
    assert not kept(lab).repaired
    world.there = False
    assert playing.check().solved
    assert kept(lab).repaired
    # Its timer is disarmed; asked again, it is still repaired.
    assert world.done[-1] == "heal"
    assert playing.check().solved


@pytest.mark.parametrize("code", [1, 127])
def test_a_machine_that_cannot_be_asked_is_not_repaired(
    code: int, playing: Game, world: World, lab: Lab
) -> None:
    playing.start(3, "s", 60)
    world.works, world.there, world.cannot_say = True, False, code
    assert not playing.check().solved
    assert not kept(lab).repaired
    world.cannot_say = None
    assert playing.check().solved


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (0, "its time was over, and it has healed by itself"),
        (60, "it was healed by inv fault.heal, or is gone since a checkpoint was restored"),
    ],
)
def test_what_has_healed_without_the_player_is_not_repaired(
    left: int, words: str, playing: Game, world: World, lab: Lab
) -> None:
    state = playing.start(3, "s", 60)
    state.end = (datetime.now(UTC) + timedelta(seconds=left)).isoformat()
    Kept(lab.files.puzzle).save(state)
    world.planted.clear()
    world.works, world.there = True, False
    checked = playing.check()
    assert (checked.solved, checked.healed) == (False, words)
    assert f"You have not repaired it: {words}" in text.check(kept(lab), checked)
    with pytest.raises(UserError, match="The puzzle is over"):
        playing.check()


def test_when_it_is_named_and_repaired_it_is_told_with_the_score(
    playing: Game, world: World, lab: Lab
) -> None:
    state = playing.start(3, "s", 60)
    file = Kept(lab.files.puzzle)
    answers.hint(file)
    answers.answer(file, lab, "swarm", "mtu")
    world.works, world.there = True, False
    checked = playing.check()
    assert "And what was it?" in text.check(kept(lab), checked)
    given = answers.answer(file, lab, state.names["on"], "overlay")
    said = text.answer(kept(lab), given)
    assert "Solved: 1 min, 2 answers, 1 hint. It was: " in said
    assert f"{state.names['on']} drops the VXLAN packets (UDP port 4789)" in said
    assert "Solved: " in text.check(kept(lab), checked)
    assert json.loads(json.dumps(text.check_as_json(kept(lab), checked)))["solved"]


# -- what is shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", BY_NUMBER)
def test_neither_the_list_nor_the_puzzle_gives_the_answer_away(
    number: int, playing: Game, lab: Lab
) -> None:
    state = playing.start(number, "s", 60)
    shown = text.puzzle(state)
    assert game.what(state) not in shown
    assert "{" not in game.what(state)
    assert state.names["on"] not in shown
    assert all(one.keys() == {"number", "difficulty"} for one in text.rows())
    assert {"names", "place", "there"} & set(text.as_json(state)) == set()
    for _, command in [*answers.hint(Kept(lab.files.puzzle), 2).commands]:
        assert "<" not in command


def test_a_puzzle_that_is_on_is_shown_and_another_one_refused(
    playing: Game, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    playing.start(3, "s", 60)
    nobody: Any = None
    verbs.start(nobody, str(lab.file), 0, "", "3600", as_json=False)
    assert "Puzzle 3 (medium). Something is broken:" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"Puzzle 3 is on\.") as caught:
        verbs.start(nobody, str(lab.file), 5, "", "3600", as_json=False)
    assert caught.value.advice == "Take it back first: inv puzzle.stop"


def test_what_is_kept_and_cannot_be_read_is_no_reason_to_keep_it(lab: Lab) -> None:
    lab.files.puzzle.parent.mkdir(parents=True)
    lab.files.puzzle.write_text("{")
    with pytest.raises(MachineError, match=r"inv puzzle|cannot be read"):
        answers.hint(Kept(lab.files.puzzle))
    assert verbs._readable(lab) is None


def test_a_puzzle_whose_time_is_over_says_so_and_makes_room(playing: Game, lab: Lab) -> None:
    state = playing.start(3, "s", 60)
    assert not verbs._ended(state)
    state.end = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert verbs._ended(state)
    assert "Its time is over, and it has healed by itself." in text.puzzle(state)
