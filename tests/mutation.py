"""Break each judgement of the overlay exercise once, and list those that no test notices.

`python -m tests.mutation`: each place in scenarios/ that states an expectation is broken in three
ways while the recorded run is judged again: the expected value is replaced, the seen value is taken
from another object, and the judgement always passes. A break is noticed if the record then differs
from the recorded one, or if a broken world (tests/unit/scenarios/test_judges.py) no longer fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from scenarios.kit.step import Step
from scenarios.record.model import Record
from tests.unit.scenarios.played import KEPT, play
from tests.unit.scenarios.test_judges import WORLDS, failed

Place = tuple[str, int]
Edit = Callable[[dict[str, Any]], dict[str, Any]]

BREAKS: dict[str, Edit] = {
    "expected value replaced": lambda said: {**said, "expected": "(another value)"},
    "seen value of another object": lambda said: {**said, "seen": "(another object)"},
    "always passes": lambda said: {**said, "passed": True},
}


def _caller() -> Place:
    """The place in scenarios/ outside the kit that states the expectation."""
    frame = sys._getframe(2)
    while "/kit/" in frame.f_code.co_filename or "/mock" in frame.f_code.co_filename:
        assert frame.f_back is not None
        frame = frame.f_back
    return Path(frame.f_code.co_filename).name, frame.f_lineno


def _judged(
    folder: Path, world: int | None = None, at: Place | None = None, edit: Edit | None = None
) -> tuple[Record, set[Place], set[Place]]:
    """A record, the places that stated an expectation, and those of which one failed."""
    places: set[Place] = set()
    red: set[Place] = set()
    real = Step.expect

    def expect(step: Step, what: str, **said: Any) -> bool:
        place = _caller()
        places.add(place)
        ok = real(step, what, **(edit(said) if edit and place == at else said))
        if not ok:
            red.add(place)
        return ok

    change = WORLDS[world].apply if world is not None else lambda _: None
    with mock.patch.object(Step, "expect", expect):
        return play(KEPT, folder, change=change), places, red


def survivors() -> Iterator[str]:
    """Each break that no test notices, as one line."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        whole, places, _ = _judged(folder)
        worlds = [_judged(folder, number) for number in range(len(WORLDS))]
        for place in sorted(places):
            for name, edit in BREAKS.items():
                broken, _, _ = _judged(folder, None, place, edit)
                if [s.expectations for s in broken.steps] != [s.expectations for s in whole.steps]:
                    continue
                watching = [n for n, (_, _, red) in enumerate(worlds) if place in red]
                if not any(
                    failed(_judged(folder, n, place, edit)[0]) != failed(worlds[n][0])
                    for n in watching
                ):
                    yield f"{place[0]}:{place[1]}: {name}"


def main() -> None:
    """Print the survivors and their count."""
    count = 0
    for line in survivors():
        count += 1
        print(line, flush=True)
    print(f"{count} not noticed")


if __name__ == "__main__":
    main()
