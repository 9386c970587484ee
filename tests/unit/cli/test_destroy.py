"""Which lab `destroy` means, in every state that a folder can be in."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.cli import lab as verbs
from provision.cli.lab import _lab_to_destroy
from provision.lab import load
from provision.providers import select
from provision.support.errors import UserError


def kept(folder: Path, name: str, text: str | None = None) -> None:
    """A lab of that name is up in the folder."""
    state = folder / ".swarmrig" / name
    state.mkdir(parents=True)
    (state / "lab.toml").write_text(f'name = "{name}"\n' if text is None else text)


def chosen(folder: Path, name: str = "") -> str:
    return _lab_to_destroy(folder / "lab.toml", name).name


def test_the_labs_own_file_tells(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('name = "mine"\n')
    kept(tmp_path, "other")
    assert chosen(tmp_path) == "mine"
    assert chosen(tmp_path, "mine") == "mine"
    assert chosen(tmp_path, "other") == "other"


@pytest.mark.parametrize("text", [None, "broken", "colour = 1\n"])
def test_a_file_that_is_gone_or_broken_leaves_the_one_lab_there_is(
    tmp_path: Path, text: str | None
) -> None:
    if text:
        (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(UserError):
        chosen(tmp_path)
    kept(tmp_path, "one")
    assert chosen(tmp_path) == "one"
    kept(tmp_path, "two")
    with pytest.raises(UserError, match="there are labs one, two here") as caught:
        chosen(tmp_path)
    assert "--name one" in caught.value.advice
    assert chosen(tmp_path, "two") == "two"


def test_a_copy_that_is_broken_too_leaves_the_name(tmp_path: Path) -> None:
    kept(tmp_path, "one", text="half a f")
    (tmp_path / ".swarmrig" / "one" / "vagrant" / "machines" / "web").mkdir(parents=True)
    lab = _lab_to_destroy(tmp_path / "lab.toml", "")
    assert (lab.name, [machine.name for machine in lab.machines]) == ("one", ["web"])


def test_a_name_that_no_lab_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        load.remains("../etc", tmp_path / "lab.toml")


def test_a_lab_that_was_renamed_in_its_file_is_hinted_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "orphans", lambda _: [])
    (tmp_path / "lab.toml").write_text('name = "new"\n')
    kept(tmp_path, "old")
    verbs.destroy(str(tmp_path / "lab.toml"), "")
    said = capsys.readouterr().err
    assert "Lab 'new' was not there." in said
    assert "inv destroy --name old" in said
