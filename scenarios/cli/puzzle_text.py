"""What the verbs of puzzles print."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scenarios.puzzle import game
from scenarios.puzzle.answers import STAGES, Hint
from scenarios.puzzle.game import Checked
from scenarios.puzzle.layers import LAYERS, SWARM
from scenarios.puzzle.puzzles import BY_NUMBER, PUZZLES
from scenarios.puzzle.state import Answer, State

_ABOUT = f"""\
puzzle-shop runs on the first machine and asks puzzle-stock, on the second one, over the network
puzzle-net. It worked a moment ago.

Find out which machine it is, or {SWARM!r} if it is none, and which layer; then repair it:
  inv puzzle.answer MACHINE LAYER    judges what you have found
  inv puzzle.check                   judges your repair
  inv puzzle.hint                    a hint; again: a plainer one
  inv puzzle.stop                    gives up, and takes all of it back"""


def rows() -> list[dict[str, Any]]:
    """All puzzles, without what they are."""
    return [{"number": one.number, "difficulty": one.difficulty} for one in PUZZLES]


def table() -> str:
    lines = [f"{one.number:>3}  {one.difficulty}" for one in PUZZLES]
    return "\n".join([*lines, "", "One of them: inv puzzle --number 3. Any of them: inv puzzle"])


def puzzle(state: State) -> str:
    """What is wrong, and what there is to do."""
    difficulty = BY_NUMBER[state.number].difficulty
    lines = [f"Puzzle {state.number} ({difficulty}). Something is broken:", ""]
    lines += [f"  {line}" for line in state.observed]
    lines += ["", *_ABOUT.splitlines(), ""]
    lines += [f"  {name:10}  {what}" for name, what in LAYERS.items()]
    return "\n".join([*lines, "", _left(state)])


def _left(state: State) -> str:
    if not state.left:
        return "Its time is over, and it has healed by itself. The next one: inv puzzle"
    minutes = max(1, state.left // 60)
    return f"It heals by itself in {minutes} min. Seed: {state.seed}"


def as_json(state: State) -> dict[str, Any]:
    return {
        "number": state.number,
        "difficulty": BY_NUMBER[state.number].difficulty,
        "seed": state.seed,
        "observed": state.observed,
        "begun": state.begun,
        "end": state.end,
        "layers": LAYERS,
    }


# -- answers ---------------------------------------------------------------------------------------


def answer(state: State, given: Answer) -> str:
    """What is right of an answer; what it was, where all of it is solved."""
    if not given.right:
        wrong = [("machine", given.machine_right), ("layer", given.layer_right)]
        said = ", ".join(f"the {part} is {'right' if ok else 'wrong'}" for part, ok in wrong)
        return f"Not yet: {said}. A hint: inv puzzle.hint"
    exact = BY_NUMBER[state.number].layers[0]
    more = "" if given.layer == exact else f" More exactly: {exact}."
    said = f"Right: {given.machine}, {given.layer}.{more}"
    if state.repaired:
        return f"{said}\n{_solved(state)}"
    return f"{said}\nNow repair it, and then: inv puzzle.check"


def answer_as_json(state: State, given: Answer) -> dict[str, Any]:
    return {
        "number": state.number,
        "machine": given.machine_right,
        "layer": given.layer_right,
        "right": given.right,
        "answers": len(state.answers),
    }


# -- the repair ------------------------------------------------------------------------------------


def check(state: State, checked: Checked) -> str:
    """Whether it is repaired, and what is still wrong."""
    if checked.healed:
        return (
            f"You have not repaired it: {checked.healed}.\nIt was: {game.what(state)}\n"
            "The next one: inv puzzle"
        )
    if not checked.solved:
        lines = [f"  {line}" for line in checked.seen.complaints()]
        if not lines:
            return (
                "The shop works, but what has broken it is still there: something goes around it.\n"
                "Repair the cause as well."
            )
        return "\n".join(["Not repaired:", *lines, "A hint: inv puzzle.hint"])
    if state.answered:
        return f"Repaired: the shop works again.\n{_solved(state)}"
    return "Repaired: the shop works again.\nAnd what was it? inv puzzle.answer MACHINE LAYER"


def _solved(state: State) -> str:
    score = ", ".join(
        [
            f"{_minutes(state)} min",
            _count(len(state.answers), "answer"),
            _count(state.hints, "hint"),
        ]
    )
    return (
        f"Solved: {score}. It was: {game.what(state)}\n"
        "The next one: inv puzzle. Take all of it away: inv puzzle.stop"
    )


def _minutes(state: State) -> int:
    end = datetime.fromisoformat(state.repaired) if state.repaired else datetime.now(UTC)
    return max(1, round((end - datetime.fromisoformat(state.begun)).total_seconds() / 60))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def check_as_json(state: State, checked: Checked) -> dict[str, Any]:
    return {
        "number": state.number,
        "repaired": checked.solved,
        "works": checked.seen.works,
        "observed": checked.seen.complaints(),
        "fault_gone": not checked.still,
        "healed": checked.healed or None,
        "answered": state.answered,
        "solved": checked.solved and state.answered,
        "minutes": _minutes(state) if state.begun else None,
        "answers": len(state.answers),
        "hints": state.hints,
    }


# -- hints, and the end ----------------------------------------------------------------------------


def hint(given: Hint) -> str:
    lines = [given.says]
    lines += [f"   on {machine}: {command}" for machine, command in given.commands]
    if given.stage < STAGES:
        more = "what to look with" if given.stage == 1 else "the repair"
        lines.append(f"   (once more: {more})")
    return "\n".join(lines)


def hint_as_json(given: Hint) -> dict[str, Any]:
    commands = [{"machine": machine, "command": command} for machine, command in given.commands]
    return {"stage": given.stage, "says": given.says, "commands": commands}


def stopped(state: State | None) -> str:
    """What it was, of a puzzle that was begun."""
    gone = "Healed and removed: the lab is as it was before the puzzle."
    if state and state.phase in {"on", "over"}:
        return f"{gone}\nIt was: {game.what(state)}"
    return gone
