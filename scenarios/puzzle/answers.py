"""Answers and hints: judged and given by what is kept of the puzzle, without the machines."""

from __future__ import annotations

from dataclasses import dataclass

from provision.lab.model import Lab
from provision.support.errors import UserError
from scenarios.puzzle import game, layers
from scenarios.puzzle.puzzles import BY_NUMBER
from scenarios.puzzle.state import Answer, Kept, State

STAGES = 3


@dataclass(frozen=True)
class Hint:
    """What is said in a stage: in the first where to look, then with what, then the repair."""

    stage: int
    says: str
    commands: list[tuple[str, str]]


def answer(kept: Kept, lab: Lab, machine: str, layer: str) -> Answer:
    """Judge an answer, and keep it. Raises UserError for a machine or layer that is none."""
    if machine != layers.SWARM:
        lab.machine(machine)
    layers.checked(layer)
    state = game.on(kept)
    given = judged(state, machine, layer)
    kept.change(lambda there: there.answers.append(given))
    return given


def judged(state: State, machine: str, layer: str) -> Answer:
    """Which parts of an answer are right."""
    puzzle = BY_NUMBER[state.number]
    right = {layers.SWARM}
    if state.place:
        right = {state.names["on"], *([state.names["other"]] if puzzle.either else [])}
    return Answer(
        machine=machine,
        layer=layer,
        machine_right=machine in right,
        layer_right=layer in puzzle.layers,
    )


def hint(kept: Kept, stage: int = 0) -> Hint:
    """The next hint, or that of a stage. Raises UserError for a stage that is none."""
    if stage not in range(STAGES + 1):
        raise UserError(f"There is no hint {stage}.", f"--stage is 1 to {STAGES}.")
    state = game.on(kept)
    stage = stage or min(state.hints + 1, STAGES)

    def given(there: State) -> None:
        there.hints = max(there.hints, stage)

    kept.change(given)
    puzzle = BY_NUMBER[state.number]
    if stage == 1:
        return Hint(stage, puzzle.look, [])
    if stage == 2:
        return Hint(stage, "Look with:", game.commands(puzzle.ask, state))
    return Hint(stage, "This repairs it:", game.commands(puzzle.repair, state))
