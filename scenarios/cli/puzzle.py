"""The verbs of puzzles: a fault that somebody else has planted, found, named and repaired."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from provision.lab.load import load_lab
from provision.lab.model import Lab
from provision.machine.running_lab import OpenLab, RunningLab
from provision.support import terminal
from provision.support.errors import UserError
from scenarios.cli import puzzle_text as text
from scenarios.kit.setup import Setup
from scenarios.puzzle import answers, game
from scenarios.puzzle.game import Game
from scenarios.puzzle.state import Kept, State


def list_all(as_json: bool = False) -> None:
    """All puzzles: their numbers, and how hard they are."""
    terminal.say(json.dumps(text.rows(), indent=2) if as_json else text.table())


def start(
    open_lab: OpenLab, lab_file: str, number: int, seed: str, seconds: str, as_json: bool
) -> None:
    """Plant a puzzle; where one is on and no other is asked for, show it. Raises UserError."""
    lasting = _seconds(seconds)
    lab = load_lab(lab_file)
    there = Kept(lab.files.puzzle).load()
    if there and not _ended(there):
        if there.phase == "on" and not number and not seed:
            _show(there, as_json)
            return
        raise UserError(
            f"Puzzle {there.number} is on."
            if there.phase == "on"
            else "A puzzle was cut off while it was planted.",
            "Take it back first: inv puzzle.stop",
        )
    with _game(open_lab, lab, "puzzle", as_json) as playing:
        if there:
            playing.stop()
        _show(playing.start(number, seed, lasting), as_json)


def _ended(state: State) -> bool:
    """Whether it makes room for the next one: repaired, healed, or its time is over."""
    return bool(state.repaired) or state.phase == "over" or (state.phase == "on" and not state.left)


def _show(state: State, as_json: bool) -> None:
    terminal.say(json.dumps(text.as_json(state), indent=2) if as_json else text.puzzle(state))


def answer(lab_file: str, machine: str, layer: str, as_json: bool) -> bool:
    """Judge which machine and which layer it is; whether both are right."""
    lab = load_lab(lab_file)
    kept = Kept(lab.files.puzzle)
    given = answers.answer(kept, lab, machine, layer)
    state = game.on(kept)
    if as_json:
        terminal.say(json.dumps(text.answer_as_json(state, given), indent=2))
    else:
        terminal.say(text.answer(state, given))
    return given.right


def check(open_lab: OpenLab, lab_file: str, as_json: bool) -> bool:
    """See whether it is repaired."""
    lab = load_lab(lab_file)
    kept = Kept(lab.files.puzzle)
    game.on(kept)
    with _game(open_lab, lab, "puzzle.check", as_json) as playing:
        checked = playing.check()
    state = kept.load()
    assert state is not None
    if as_json:
        terminal.say(json.dumps(text.check_as_json(state, checked), indent=2))
    else:
        terminal.say(text.check(state, checked))
    return checked.solved


def hint(lab_file: str, stage: int, as_json: bool) -> None:
    """The next hint, or that of a stage."""
    given = answers.hint(Kept(load_lab(lab_file).files.puzzle), stage)
    if as_json:
        terminal.say(json.dumps(text.hint_as_json(given), indent=2))
    else:
        terminal.say(text.hint(given))


def stop(open_lab: OpenLab, lab_file: str) -> None:
    """Heal the fault, and remove all that belongs to the puzzle."""
    lab = load_lab(lab_file)
    if not lab.files.puzzle.exists():
        terminal.say("No puzzle is on.")
        return
    state = _readable(lab)
    with _game(open_lab, lab, "puzzle.stop", as_json=False) as playing:
        playing.stop()
    terminal.say(text.stopped(state))


def _readable(lab: Lab) -> State | None:
    """What is kept of the puzzle; None where it cannot be read, which is no reason to keep it."""
    try:
        return Kept(lab.files.puzzle).load()
    except Exception:
        return None


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        raise UserError(f"--for: given {given!r}; allowed: a number") from None
    if not game.LEAST_SECONDS <= seconds <= game.MOST_SECONDS:
        allowed = f"{game.LEAST_SECONDS} to {game.MOST_SECONDS} seconds"
        raise UserError(f"--for: given {seconds:g}; allowed: {allowed}")
    return seconds


@contextmanager
def _game(open_lab: OpenLab, lab: Lab, verb: str, as_json: bool) -> Iterator[Game]:
    with open_lab(lab, verb) as running:
        yield game_on(running, quiet=as_json)


def game_on(running: RunningLab, quiet: bool = False) -> Game:
    """The puzzles of a lab that is up; `quiet` says nothing on the way."""

    def tell(line: str) -> None:
        if not quiet:
            terminal.say(f"  {line}")

    return Game(Setup.of(running, running.lab.reports, tell), tell)
