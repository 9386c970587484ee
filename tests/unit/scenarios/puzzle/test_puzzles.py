"""The puzzles as data: each has all that a player may ask for, and gives nothing away."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from provision.faults.fault import Fault
from provision.faults.kinds.mute import Mute
from provision.faults.kinds.partition import Partition
from provision.faults.kinds.service import ChangedService
from scenarios.puzzle.layers import LAYERS
from scenarios.puzzle.puzzles import BY_NUMBER, PUZZLES, Puzzle, Scene

SCENE = Scene("machine2", "machine1", ("machine1",), "machine1", "node2", "alpine:latest", "4789")
NAMES = {"on", "other", "manager", "here", "address", "first", "node", "service", "lab", "image"}
NAMES |= {"vxlan", "unfilter"}


def planted(puzzle: Puzzle) -> list[Fault]:
    return puzzle.plant(SCENE)


def test_they_are_numbered_without_a_gap_and_cover_every_layer() -> None:
    assert [puzzle.number for puzzle in PUZZLES] == list(range(1, len(PUZZLES) + 1))
    assert len(PUZZLES) >= 12
    assert {puzzle.layers[0] for puzzle in PUZZLES} | {"underlay"} == set(LAYERS)
    assert set(Counter(puzzle.difficulty for puzzle in PUZZLES)) == {"easy", "medium", "hard"}


@pytest.mark.parametrize("puzzle", PUZZLES, ids=lambda one: str(one.number))
def test_each_has_its_answer_hints_and_repair(puzzle: Puzzle) -> None:
    assert puzzle.layers
    assert set(puzzle.layers) <= set(LAYERS)
    assert puzzle.what.endswith(".")
    assert puzzle.ask
    assert puzzle.repair
    texts = [puzzle.what, *(text for _, text in (*puzzle.ask, *puzzle.repair))]
    used = {name for text in texts for name in re.findall(r"(?<!\{)\{([a-z]+)\}(?!\})", text)}
    assert used <= NAMES
    assert {where for where, _ in (*puzzle.ask, *puzzle.repair)} <= {"on", "other", "manager"}
    # The first hint is about where to look; it names no machine of the fault.
    assert "{on}" not in puzzle.look or puzzle.difficulty == "hard"


@pytest.mark.parametrize("puzzle", PUZZLES, ids=lambda one: str(one.number))
def test_each_plants_faults_of_the_library_where_its_answer_says(puzzle: Puzzle) -> None:
    faults = planted(puzzle)
    assert faults
    if not puzzle.places:
        # Nothing on a machine: a manager was told something.
        assert all(isinstance(fault, ChangedService) for fault in faults)
        return
    for fault in faults:
        places = {fault.on} if fault.kind == "drain" else set(fault.places())
        assert places == ({"machine1", "machine2"} if puzzle.either else {"machine2"})


def test_the_gossip_of_a_machine_is_cut_off_from_every_other_one() -> None:
    """A third node asks for one that two do not hear from each other, and nothing would break."""
    others = ("machine1", "machine3", "machine4")
    faults = BY_NUMBER[9].plant(replace(SCENE, others=others))
    taken = {fault.on for fault in faults if isinstance(fault, Partition)}
    (sent,) = (fault.others for fault in faults if isinstance(fault, Mute))
    assert taken == set(sent) == set(others)


def test_a_puzzle_that_others_would_suffer_from_says_so() -> None:
    for puzzle in PUZZLES:
        # VXLAN packets between two machines are those of every overlay network.
        assert puzzle.own == all(fault.own for fault in planted(puzzle)), puzzle.number
