"""Break each judgement of every scenario once, and list those that no test notices.

`python -m tests.mutation [SCENARIO …]`: each expectation of a recorded run is broken in three ways
while the run is judged again: the expected value is replaced, the seen value is taken from another
object, and the judgement always passes. A break is noticed if the record then differs from the one
before, or if a broken world (tests/unit/scenarios/worlds/) no longer fails. A place in scenarios/
that states an expectation and is reached by no tape, nor by an exercise as it was typed by hand, is
listed as well.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import scenarios
from scenarios.kit import discovery
from scenarios.kit.step import Step
from scenarios.record.model import Record
from tests.unit.scenarios.learn.test_typed import EXERCISES, Typed
from tests.unit.scenarios.played import PLAYED, failed, play
from tests.unit.scenarios.worlds import WORLDS
from tests.unit.scenarios.worlds.broken import Broken

# An expectation of a run: its step's number, its text and its machine.
Stated = tuple[str, str, str]
Edit = Callable[[dict[str, Any]], dict[str, Any]]

BREAKS: dict[str, Edit] = {
    "expected value replaced": lambda said: {**said, "expected": "(another value)"},
    "seen value of another object": lambda said: {**said, "seen": "(another object)"},
    "always passes": lambda said: {**said, "passed": True},
}
_FOLDER = Path(scenarios.__path__[0])


class Judge:
    """Judges a tape again and again; `reached` are the places that stated an expectation."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.reached: set[tuple[Path, int]] = set()
        self._runs = 0

    def run(
        self, world: Broken | None = None, at: Stated | None = None, edit: Edit | None = None
    ) -> tuple[Record, set[Stated], set[Stated]]:
        """A record, what was stated in it, and what of that failed."""
        stated: set[Stated] = set()
        red: set[Stated] = set()
        real = Step.expect

        def expect(step: Step, what: str, **said: Any) -> bool:
            self.reached.add(_place(sys._getframe(1)))
            this = (step.data.number, what, (said.get("machine") or step.machine).name)
            stated.add(this)
            ok = real(step, what, **(edit(said) if edit and this == at else said))
            if not ok:
                red.add(this)
            return ok

        self._runs += 1
        change = world.apply if world else lambda _: None
        with mock.patch.object(Step, "expect", expect):
            record = play(PLAYED[self.name], self.folder / str(self._runs), change)
        return record, stated, red

    def breaks(self) -> dict[str, bool]:
        """Each break of this way of playing the tape as one line, and whether a test notices it."""
        found = {}
        whole, stated, _ = self.run()
        judged = [step.expectations for step in whole.steps]
        worlds = [(world, *self.run(world)) for world in WORLDS.get(self.name, [])]
        for this in sorted(stated):
            watching = [(world, record) for world, record, _, red in worlds if this in red]
            for name, edit in BREAKS.items():
                broken, _, _ = self.run(None, this, edit)
                said = [step.expectations for step in broken.steps]
                found[f"step {this[0]}, {this[2]}: {this[1]}: {name}"] = said != judged or any(
                    failed(self.run(world, this, edit)[0]) != failed(record)
                    for world, record in watching
                )
        return found


def _place(frame: FrameType) -> tuple[Path, int]:
    return Path(frame.f_code.co_filename), frame.f_lineno


def places() -> set[tuple[Path, int]]:
    """Where an expectation is stated in scenarios/, by file and line."""
    found = set()
    for file in _FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            # `holding.expect` is a function of that module, which states some itself.
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "expect"
                and ast.unparse(node) != "holding.expect"
            ):
                found.add((file, node.lineno))
    return found


def reached_by_hand(folder: Path) -> set[tuple[Path, int]]:
    """The places that state an expectation of an exercise as it was typed by hand."""
    reached = set()
    real = Step.expect

    def expect(step: Step, what: str, **said: Any) -> bool:
        reached.add(_place(sys._getframe(1)))
        return real(step, what, **said)

    with mock.patch.object(Step, "expect", expect):
        for name, scenario in EXERCISES.items():
            typed = Typed(scenario, folder / name)
            for stage in range(len(typed.stages)):
                typed.look(stage)
    return reached


def not_noticed(names: list[str]) -> Iterator[str]:
    """Every break that no test notices, and every place that no tape reaches."""
    reached: set[tuple[Path, int]] = set()
    with tempfile.TemporaryDirectory() as made:
        for name in names or discovery.found():
            noticed: dict[str, bool] = {}
            # What two ways of playing a tape have in common needs its broken world once.
            for way in (way for way in WORLDS if PLAYED[way].tape == PLAYED[name].tape):
                judge = Judge(way, Path(made) / way)
                for line, seen in judge.breaks().items():
                    noticed[line] = noticed.get(line, False) or seen
                reached |= judge.reached
            yield from (f"{name}, {line}" for line, seen in noticed.items() if not seen)
        if not names:
            reached |= reached_by_hand(Path(made) / "typed")
    if not names:
        for file, at in sorted(places() - reached):
            yield f"{file.relative_to(_FOLDER.parent)}:{at}: reached by no tape"
    yield from (f"scenario {name} has no tape" for name in set(discovery.found()) - set(PLAYED))


def main() -> None:
    """Print what is not noticed, and how much that is; exit code 1 where there is any."""
    count = 0
    for line in not_noticed(sys.argv[1:]):
        count += 1
        print(line, flush=True)
    print(f"{count} not noticed")
    sys.exit(count > 0)


if __name__ == "__main__":
    main()
