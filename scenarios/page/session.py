"""The page's side of the lab: it looks again at every event, and does what a button asks for.

All that browsers are shown is on the board, as plain data:

    exercise  {lab, scenario, number, title, summary, steps: [{number, title, why, machines}]}
    machines  ["machine1", ...], those that have terminals
    look      {done, next, names, steps: [{number, state, at, why_not, mistake, commands}]}
    hint      {step, stage, of, says, undo, commands}, or null
    work      {what, over, lines: [{who, says, state}], error}: what a button does, or has done
    trouble   {says, advice}: why the lab cannot be looked at now, or null
    report    the report's file, once all steps are done
    picture   the topology as it is now: `scenarios.report.topology.Picture`
    packets   {rows, seen: [{machine, error, missed}]}: the newest rows of `scenarios.evidence.live`

A command is {machine, text, whole}: one that is not `whole` has gaps and cannot be typed as it is.
Browsers send {do, step}: hint, solve, catch-up, reset, rebuild.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provision.lab.model import Lab
from provision.machine.running_lab import OpenLab, RunningLab
from provision.support.errors import SwarmrigError, UserError
from provision.support.progress import Progress
from scenarios.kit.scenario import Scenario, StepPlan
from scenarios.learn import hints, watch
from scenarios.learn.look import Exercise, Look, step_of
from scenarios.learn.progress import Kept
from scenarios.learn.solve import only, solve, solve_before
from scenarios.page import steps
from scenarios.page.keys import Typed, typed_for
from scenarios.page.news import Board
from scenarios.page.wire import Wire
from scenarios.record import model

_PAUSE = 3.0  # seconds until a lab that could not be opened is tried again


@dataclass(frozen=True)
class Deeds:
    """What the session needs of the verbs. `restore` says why it could not, or ""."""

    viewed: OpenLab
    opened: OpenLab
    restore: Callable[[Lab, Progress], str]
    rebuild: Callable[[Lab, Progress], object]
    exercise: Callable[[RunningLab, Scenario], Exercise]
    report: Callable[[Exercise, Lab], Path]
    # Machines have gone and come again: terminals have to log in again.
    renewed: Callable[[], None]
    # What was typed in the page's terminals of a machine.
    typed: Typed


class Session:
    """One exercise on one lab, from `start` to `close`."""

    def __init__(self, lab: Lab, scenario: Scenario, deeds: Deeds, board: Board) -> None:
        self.board = board
        self._lab, self._scenario, self._deeds = lab, scenario, deeds
        self._news = threading.Event()
        self._over = threading.Event()
        self._again = threading.Event()
        self._free = threading.Event()  # clear while machines are set back
        self._free.set()
        self._turn = threading.Lock()
        self._worker: threading.Thread | None = None
        self._wire = Wire(board)
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._watcher.start()

    def close(self) -> None:
        """End looking; what a button has begun is finished first."""
        self._over.set()
        self._free.set()
        self._news.set()
        self.close_work()
        self._watcher.join(15)

    def close_work(self) -> None:
        """Wait until what a button has begun is finished."""
        if self._worker:
            self._worker.join()

    # -- looking ------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over.is_set():
            self._free.wait()
            self._again.clear()
            try:
                with self._deeds.viewed(self._lab, "learn") as running:
                    self._follow(self._exercise(running))
            except Exception as error:  # one that is not ours would be lost with the thread
                if self._free.is_set():
                    self._failed(error)
                self._over.wait(_PAUSE)

    def _exercise(self, running: RunningLab) -> Exercise:
        """The exercise; of what is done now, the report has what was typed in the terminals."""
        exercise = self._deeds.exercise(running, self._scenario)

        def typed(plan: StepPlan) -> list[model.Command]:
            names = [machine.name for machine in exercise.machines_of(plan)]
            return typed_for(plan.run, names, self._deeds.typed)

        exercise.typed = typed
        return exercise

    def _follow(self, exercise: Exercise) -> None:
        self.board.put("exercise", steps.exercise(exercise))
        try:
            for look in watch.looks(exercise, self._failed, self._news, self._wanted):
                self._show(exercise, look)
                self._wire.show(exercise, look)
            while self._wanted():  # all is done: until somebody begins again
                self._news.wait()
                self._news.clear()
        finally:
            self._wire.close()

    def pcap(self) -> bytes:
        """The packets that are kept, for Wireshark."""
        return self._wire.pcap()

    def _wanted(self) -> bool:
        return self._free.is_set() and not (self._again.is_set() or self._over.is_set())

    def _show(self, exercise: Exercise, look: Look) -> None:
        self.board.put("look", steps.look(exercise, look))
        self.board.put("trouble", None)
        if look.next is None and not exercise.progress.reported:
            folder = self._deeds.report(exercise, self._lab)
            self.board.put("report", os.path.relpath(folder / "report.html"))

    def _failed(self, error: Exception) -> None:
        self.board.put("trouble", _told(error))

    # -- what buttons ask for -----------------------------------------------------------------

    def do(self, what: str, number: str = "") -> None:
        """Begin what a button asks for, in a thread of its own.

        Raises UserError for what there is not, and while another is at it.
        """
        deeds = {
            "hint": ("Looking for a hint", self._hint),
            "solve": (f"Doing step {number}", self._solve),
            "catch-up": (f"Doing all steps before step {number}", self._catch_up),
            "reset": ("Forgetting which steps were done", self._reset),
            "rebuild": ("Resetting the lab to the state after `inv up`", self._rebuild),
        }
        if what not in deeds:
            raise UserError("There is no such button.")
        if what in {"solve", "catch-up"}:
            step_of(self._scenario, number)
        if not self._turn.acquire(blocking=False):
            raise UserError("Something else is being done.", "Wait until it has finished.")
        says, deed = deeds[what]
        told = Told(self.board, says)
        self._worker = threading.Thread(target=self._work, args=[deed, number, told], daemon=True)
        self._worker.start()

    def _work(self, deed: Callable[[str, Told], None], number: str, told: Told) -> None:
        error: dict[str, str] | None = None
        try:
            deed(number, told)
        except Exception as failure:  # a thread's error would be lost
            error = _told(failure)
        finally:
            self._free.set()
            self._news.set()
            self._turn.release()
            told.end(error)

    def _hint(self, _: str, told: Told) -> None:
        with self._deeds.viewed(self._lab, "hint") as running:
            exercise = self._exercise(running)
            look = exercise.look(lambda _: False, refusals=True)
            if look.next is None:
                told.say(f"All {len(look.steps)} steps are done.")
                return
            self.board.put("hint", steps.hint(hints.hint(exercise, look, look.next)))

    def _solve(self, number: str, _: Told) -> None:
        with self._deeds.opened(self._lab, f"solve {self._scenario.name}") as running:
            exercise = self._exercise(running)
            solve(exercise, number, exercise.look(only(number)))

    def _catch_up(self, number: str, told: Told) -> None:
        self._set_back(lambda: told.say(self._restored(told)))

        def tell(plan: StepPlan) -> None:
            told.done(f"step {plan.number}", plan.title)

        with self._deeds.opened(self._lab, f"catch-up {self._scenario.name}") as running:
            solve_before(self._exercise(running), number, tell)

    def _restored(self, told: Told) -> str:
        why = self._deeds.restore(self._lab, told)
        return f"Steps that are done are kept: {why}." if why else "The lab is as after `inv up`."

    def _rebuild(self, _: str, told: Told) -> None:
        self._set_back(lambda: self._deeds.rebuild(self._lab, told))
        self._forget()

    def _reset(self, _: str, _told: Told) -> None:
        self._forget()

    def _forget(self) -> None:
        """Begin again: in this swarm, or in another one of the same lab."""
        Kept(self._lab.files.exercises / self._scenario.name, self._scenario.name, "").reset()
        self.board.put("hint", None)
        self.board.put("report", None)
        self._again.set()
        self._news.set()

    def _set_back(self, machines: Callable[[], object]) -> None:
        """Nobody looks while machines are set back, and then with new connections."""
        self._again.set()
        self._free.clear()
        self._news.set()
        try:
            machines()
        finally:
            self._deeds.renewed()
            self._free.set()


class Told(Progress):
    """A progress that the page shows."""

    def __init__(self, board: Board, what: str) -> None:
        super().__init__()
        self._board, self._what = board, what
        self._lines: dict[str, dict[str, str]] = {}
        self._put(over=False)

    def __enter__(self) -> Told:
        return self

    def say(self, text: str) -> None:
        self._line(text, "", "")

    def phase(self, machine: str, text: str) -> None:
        self._line(machine, text, "running")

    def done(self, machine: str, text: str = "ready") -> None:
        self._line(machine, text, "done")

    def failed(self, machine: str, text: str) -> None:
        self._line(machine, text, "failed")

    def end(self, error: dict[str, str] | None) -> None:
        self._put(over=True, error=error)

    def _line(self, who: str, says: str, state: str) -> None:
        with self._lock:
            self._lines[who] = {"who": who, "says": says, "state": state}
        self._put(over=False)

    def _put(self, over: bool, error: dict[str, str] | None = None) -> None:
        with self._lock:
            lines = list(self._lines.values())
        self._board.put("work", {"what": self._what, "over": over, "lines": lines, "error": error})


def _told(error: Exception) -> dict[str, str]:
    if isinstance(error, SwarmrigError):
        return {"says": str(error), "advice": error.advice}
    return {"says": f"Internal error: {type(error).__name__}: {error}", "advice": ""}
