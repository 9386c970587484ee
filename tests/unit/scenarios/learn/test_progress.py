"""How far an exercise has come is kept between commands, and by several at once."""

from __future__ import annotations

from pathlib import Path

from scenarios.learn.progress import Done, Hinted, Kept
from scenarios.record import model


def done(number: str) -> Done:
    step = model.Step(number=number, title="t", why="", machines=[], state="passed")
    return Done(at="2026-01-01T00:00:00+00:00", step=step)


def test_what_is_kept_is_there_for_the_next_command(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    mine = kept.load()
    mine.done["5"] = done("5")
    kept.save(mine, new=True)
    assert Kept(tmp_path / "overlay", "overlay", "swarm1").load() == mine


def test_another_swarm_begins_with_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    mine = kept.load()
    mine.done["5"] = done("5")
    kept.save(mine, new=True)
    assert not Kept(tmp_path / "overlay", "overlay", "swarm2").load().done


def test_two_commands_at_once_keep_what_each_has_seen(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    kept.save(kept.load(), new=True)
    one, other = kept.load(), kept.load()
    one.done["5"] = done("5")
    other.done["6"] = done("6")
    kept.save(one)
    kept.save(other)
    assert set(kept.load().done) == {"5", "6"}


def test_a_watch_does_not_bring_back_what_another_command_has_reset(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    watching = kept.save(kept.load(), new=True)
    watching.done["5"] = done("5")
    kept.reset()
    assert kept.save(watching).done == {}
    assert kept.load().done == {}


def test_what_cannot_be_read_is_begun_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    kept.save(kept.load(), new=True)
    (tmp_path / "overlay" / "progress.json").write_text("{")
    assert kept.load().done == {}


def test_a_watch_does_not_take_back_a_hint_that_another_command_has_given(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "overlay", "overlay", "swarm1")
    watching = kept.save(kept.load(), new=True)
    hinting = kept.load()
    hinting.hints["5"] = Hinted(about="", stage=1)
    kept.save(hinting, hinted="5")
    kept.save(watching)
    assert kept.load().hints == {"5": Hinted(about="", stage=1)}
    watching.done["5"] = done("5")
    kept.save(watching)
    assert kept.load().hints == {}
