"""What buttons ask for: one at a time, refused in words, and its errors shown."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from provision.lab.load import load
from provision.lab.model import Lab
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from scenarios.learn import watch
from scenarios.learn.progress import Kept
from scenarios.overlay import overlay
from scenarios.page import steps
from scenarios.page.news import Board
from scenarios.page.session import Deeds, Session
from tests.unit.scenarios.page.waiting import wait_for

LAB = """
name = "book"
provider = "libvirt"
[[machines]]
name = "machine1"
role = "manager"
[[machines]]
name = "machine2"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    file = tmp_path / "lab.toml"
    file.write_text(LAB)
    return load(file)


def nobody(*_: object) -> NoReturn:
    raise MachineError("machine1: no SSH at 192.0.2.1", "inv status")


@contextlib.contextmanager
def unreachable(_lab: Lab, _verb: str) -> Iterator[NoReturn]:
    nobody()
    yield


DEEDS = Deeds(unreachable, unreachable, nobody, nobody, nobody, nobody, lambda: None, lambda _: [])


def asked(lab: Lab, what: str, number: str = "", **deeds: Callable[..., Any]) -> dict[str, Any]:
    """What the board has of a button's work when it is over."""
    board = Board()
    session = Session(lab, overlay, dataclasses.replace(DEEDS, **deeds), board)
    session.do(what, number)
    session.close_work()
    work: dict[str, Any] = board.since(0)[1]["work"]
    return work


def test_a_lab_that_cannot_be_looked_at_is_told_of(lab: Lab) -> None:
    board = Board()
    session = Session(lab, overlay, DEEDS, board)
    session.start()
    try:
        wait_for(lambda: board.since(0)[1].get("trouble"))
    finally:
        session.close()
    trouble = {"says": "machine1: no SSH at 192.0.2.1", "advice": "inv status"}
    assert board.since(0)[1]["trouble"] == trouble


def test_an_error_of_our_own_while_looking_is_told_and_it_looks_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def broken(*_: object) -> NoReturn:
        tried.append(True)
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr("scenarios.page.session._PAUSE", 0.01)
    board = Board()
    deeds = dataclasses.replace(DEEDS, viewed=broken)
    session = Session(lab, overlay, deeds, board)
    session.start()
    try:
        wait_for(lambda: len(tried) > 1)
    finally:
        session.close()
    told = board.since(0)[1]["trouble"]
    assert told == {"says": "Internal error: ZeroDivisionError: by 0", "advice": ""}


@pytest.mark.parametrize(("what", "number"), [("hint", ""), ("solve", "7"), ("catch-up", "7")])
def test_the_error_of_a_button_is_shown(lab: Lab, what: str, number: str) -> None:
    work = asked(lab, what, number, restore=lambda *_: "")
    assert work["over"]
    assert work["error"] == {"says": "machine1: no SSH at 192.0.2.1", "advice": "inv status"}


def test_an_error_of_our_own_is_shown_as_well(lab: Lab) -> None:
    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("by 0")

    work = asked(lab, "rebuild", rebuild=broken)
    assert work["error"]["says"] == "Internal error: ZeroDivisionError: by 0"


def test_the_progress_of_a_rebuild_is_shown(lab: Lab) -> None:
    renewed: list[bool] = []

    def rebuild(_: Lab, progress: Progress) -> None:
        with progress:
            progress.say("recreating the lab: there is no checkpoint")
            progress.phase("machine1", "booting")
            progress.done("machine1")

    kept = Kept(lab.files.exercises / "overlay", "overlay", "")
    kept.save(kept.load(), new=True)
    work = asked(lab, "rebuild", rebuild=rebuild, renewed=lambda: renewed.append(True))
    assert work["error"] is None
    assert work["lines"] == [
        {"who": "recreating the lab: there is no checkpoint", "says": "", "state": ""},
        {"who": "machine1", "says": "ready", "state": "done"},
    ]
    assert renewed == [True]
    assert not kept.folder.exists()


def test_what_there_is_not_is_refused(lab: Lab) -> None:
    session = Session(lab, overlay, DEEDS, Board())
    for what, number in (("destroy", ""), ("solve", "99"), ("catch-up", ""), ("", "")):
        with pytest.raises(UserError):
            session.do(what, number)


def test_one_thing_is_done_at_a_time(lab: Lab) -> None:
    going = threading.Event()
    deeds = dataclasses.replace(DEEDS, rebuild=lambda *_: going.wait())
    session = Session(lab, overlay, deeds, Board())
    session.do("rebuild")
    try:
        with pytest.raises(UserError, match="Something else is being done"):
            session.do("reset")
    finally:
        going.set()
        session.close_work()
    session.do("reset")
    session.close_work()


def test_a_lab_that_was_set_back_at_once_is_looked_at_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without checkpoints nothing is set back: that is over before the listeners have ended."""
    begun: list[bool] = []
    set_back = threading.Event()

    def looks(
        _exercise: object, _failed: object, news: threading.Event, wanted: Callable[[], bool]
    ) -> Iterator[NoReturn]:
        begun.append(True)
        while wanted():
            news.wait()
            news.clear()
        set_back.wait(60)
        yield from ()

    @contextlib.contextmanager
    def viewed(_lab: Lab, _verb: str) -> Iterator[Any]:
        yield None

    monkeypatch.setattr(watch, "looks", looks)
    monkeypatch.setattr(steps, "exercise", lambda _: {})
    instead: dict[str, Any] = {
        "viewed": viewed,
        "exercise": lambda *_: SimpleNamespace(),
        "restore": lambda *_: "there are none",
    }
    deeds = dataclasses.replace(DEEDS, **instead)
    session = Session(lab, overlay, deeds, Board())
    session.start()
    try:
        wait_for(lambda: begun)
        session.do("catch-up", "7")
        session.close_work()
        set_back.set()
        wait_for(lambda: len(begun) == 2)
    finally:
        session.close()
