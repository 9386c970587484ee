"""Which puzzle it will be: at random, by number, or by a seed that a class shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.changes.change import Change
from provision.changes.journal import Journal
from provision.lab import load
from provision.lab.model import Lab
from provision.support.errors import UserError
from scenarios.puzzle.choice import chosen
from scenarios.puzzle.puzzles import BY_NUMBER, PUZZLES


def lab_of(folder: Path, text: str = "") -> Lab:
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return lab_of(tmp_path)


def test_a_seed_gives_all_labs_the_same_puzzle_on_the_same_machine(lab: Lab) -> None:
    first = [(one.number, place) for one, place in chosen("class 7b", 0, lab, Journal())]
    again = [(one.number, place) for one, place in chosen("class 7b", 0, lab, Journal())]
    assert first == again
    assert sorted(number for number, _ in first) == [one.number for one in PUZZLES]


def test_seeds_differ_in_puzzle_and_machine(lab: Lab) -> None:
    picks = [next(chosen(str(n), 0, lab, Journal())) for n in range(60)]
    assert len({one.number for one, _ in picks}) > 10
    places = {next(chosen(str(n), 3, lab, Journal()))[1] for n in range(20)}
    assert places == {"machine1", "machine2"}


def test_a_place_is_one_that_the_puzzle_can_have(lab: Lab) -> None:
    for one, place in chosen("x", 0, lab, Journal()):
        assert place in (one.places or ("",))


def test_a_number_that_there_is_not_is_refused(lab: Lab) -> None:
    with pytest.raises(UserError, match=r"There is no puzzle 99\.") as caught:
        chosen("x", 99, lab, Journal())
    assert caught.value.advice == f"Numbers: 1 to {len(PUZZLES)}."


def test_in_an_adopted_swarm_nothing_is_planted_that_others_suffer_from(
    lab: Lab, tmp_path: Path
) -> None:
    done = Journal(tmp_path / "journal.json")
    done.begin(Change("machine1", "swarm-adopt", "use its swarm", ("node1",)))
    assert all(one.own for one, _ in chosen("x", 0, lab, done))
    shared = next(one.number for one in PUZZLES if not one.own)
    with pytest.raises(UserError, match="others would suffer from it, whose swarm this is"):
        chosen("x", shared, lab, done)


def test_with_several_managers_what_would_break_nothing_is_left_out(tmp_path: Path) -> None:
    machine = '[[machines]]\nname = "{}"\nrole = "manager"\n'
    several = lab_of(tmp_path, "".join(machine.format(f"m{n}") for n in range(1, 4)))
    numbers = {one.number for one, _ in chosen("x", 0, several, Journal())}
    # Nodes report to the one that leads, whichever that is. All else breaks the shop there as well
    # (tests/hosts/test_puzzles.py).
    assert numbers == set(BY_NUMBER) - {14}
