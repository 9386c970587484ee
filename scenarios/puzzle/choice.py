"""Which puzzle it will be, and on which machine: from a seed, so that a class can have the same."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from provision.changes.journal import Journal
from provision.lab.model import Lab
from provision.support.errors import UserError
from scenarios.puzzle.puzzles import BY_NUMBER, PUZZLES, Puzzle


def chosen(seed: str, number: int, lab: Lab, done: Journal) -> Iterator[tuple[Puzzle, str]]:
    """The puzzle of a number, or all that this lab can have, in the seed's order; each with the
    place of its fault ("machine2"), "" for none.

    The order is that of all puzzles: what one lab cannot have is left out of it. Raises UserError
    for a number that there is not, or that this lab cannot have.
    """
    if number and number not in BY_NUMBER:
        raise UserError(f"There is no puzzle {number}.", f"Numbers: 1 to {len(PUZZLES)}.")
    rng = Random(seed)  # noqa: S311 - a draw that can be repeated, no secret
    order = rng.sample(PUZZLES, len(PUZZLES))
    places = {one.number: rng.choice(one.places) if one.places else "" for one in PUZZLES}
    if number:
        puzzle = BY_NUMBER[number]
        if why := refusal(puzzle, lab, done):
            raise UserError(f"Puzzle {number} cannot be planted here: {why}.")
        order = [puzzle]
    return ((one, places[one.number]) for one in order if not refusal(one, lab, done))


def refusal(puzzle: Puzzle, lab: Lab, done: Journal) -> str:
    """Why a lab cannot have a puzzle; "" where it can, as far as is known beforehand."""
    if not puzzle.own and any(done.adopted(host) for host in done.hosts()):
        return "others would suffer from it, whose swarm this is"
    if puzzle.one_manager and sum(one.role == "manager" for one in lab.machines) > 1:
        return "with several managers it breaks something only while the first one leads"
    return ""
