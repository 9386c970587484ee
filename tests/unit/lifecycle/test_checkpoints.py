"""Checkpoints of a lab, over a provider that plays a part; real ones are kept in the vm tier."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import checkpoint_notes, checkpoints, destroy, rebuild, running, up
from provision.providers import select
from provision.providers.base import Checkpoints, MachineState
from provision.providers.existing import HostsProvider
from provision.ssh.endpoint import Endpoint
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from provision.swarm import converge
from tests.support.progress import quiet


class Playing:
    """A provider whose machines are names in a set; `fails` is what its next call says."""

    name = "playing"

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.did: list[str] = []
        self.ids = {"machine1": "1", "machine2": "2"}
        self.fails = ""

    def _do(self, what: str) -> None:
        if self.fails:
            raise MachineError(self.fails)
        self.did.append(what)

    def up(self, progress: Progress) -> None:
        self._do("up")

    def endpoints(self) -> dict[str, Endpoint]:
        return {}

    def states(self) -> dict[str, MachineState]:
        return dict.fromkeys(self.ids, "running")

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        self._do(f"remove {' '.join(names)}")
        return [f"machine {name}" for name in names]

    def restart(self, names: list[str], progress: Progress) -> None:
        self._do(f"restart {' '.join(names)}")

    def destroy(self, progress: Progress) -> list[str]:
        self._do("destroy")
        return []

    def stays(self) -> list[str]:
        return ["a box"]

    def leftovers(self) -> list[str]:
        return []

    def identities(self) -> dict[str, str]:
        return dict(self.ids)

    def box(self) -> tuple[str, str] | None:
        return None

    def box_checksum(self) -> str:
        return ""

    no_checkpoints = ""

    @property
    def checkpoints(self) -> Checkpoints | None:
        return self

    def names(self) -> list[str]:
        return self.kept

    def save(self, name: str, progress: Progress) -> None:
        self._do(f"save {name}")
        self.kept = [*(n for n in self.kept if n != name), name]

    def restore(self, name: str, progress: Progress) -> None:
        self._do(f"restore {name}")

    def forget(self, name: str) -> None:
        self._do(f"forget {name}")
        self.kept.remove(name)


@pytest.fixture
def provider() -> Playing:
    return Playing()


@pytest.fixture
def lab(tmp_path: Path, provider: Playing, monkeypatch: pytest.MonkeyPatch) -> Lab:
    @contextlib.contextmanager
    def nobody(*_: object) -> Iterator[dict[str, object]]:
        yield {}

    monkeypatch.setattr(checkpoints, "connected", nobody)
    monkeypatch.setattr(converge, "converge", lambda *_: None)
    monkeypatch.setattr(select, "of_state", lambda _: provider)
    (tmp_path / "lab.toml").write_text("")
    made = load.load(tmp_path / "lab.toml")
    made.state.mkdir(parents=True)
    (made.state / "ready.json").write_text(json.dumps({"provider": "playing", "image": "i"}))
    return made


def journal(lab: Lab) -> Path:
    return lab.state / "restoring.json"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a/b", "a" * 41, "ä", "a\n"])
def test_a_name_that_no_provider_could_keep_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot be called"):
        checkpoints.checked(name)


def test_ready_is_kept_once_and_again_when_the_lab_has_changed(lab: Lab, provider: Playing) -> None:
    checkpoints.keep_ready(lab, provider, quiet())
    checkpoints.keep_ready(lab, provider, quiet())
    assert provider.did == ["save ready"]
    lab.file.write_text("[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\n")
    changed = load.load(lab.file)
    assert "lab.toml has changed" in checkpoints.why_not_ready(changed, provider)
    checkpoints.keep_ready(changed, provider, quiet())
    assert provider.did == ["save ready", "save ready"]
    provider.ids["machine2"] = "3"
    assert "was recreated" in checkpoints.why_not_ready(changed, provider)
    provider.ids["machine2"] = "2"
    provider.kept = []
    assert "provider has no checkpoint" in checkpoints.why_not_ready(changed, provider)


def test_a_comment_makes_no_other_lab(lab: Lab) -> None:
    before = checkpoint_notes.fingerprint(lab)
    lab.file.write_text("# the same\n")
    assert checkpoint_notes.fingerprint(load.load(lab.file)) == before


def test_an_up_does_not_fail_for_want_of_a_checkpoint(lab: Lab, provider: Playing) -> None:
    provider.fails = "the disk is full"
    printed = io.StringIO()
    checkpoints.keep_ready(lab, provider, quiet(printed))
    assert "no checkpoint could be saved" in printed.getvalue()
    assert "the disk is full" in printed.getvalue()
    assert "no checkpoint 'ready' was saved" in checkpoints.why_not_ready(lab, provider)


def test_a_saving_that_was_cut_off_is_no_checkpoint(lab: Lab, provider: Playing) -> None:
    provider.kept = ["a", "by-hand"]
    checkpoints.save(lab, provider, "b", quiet())
    provider.fails = "cut off"
    with pytest.raises(MachineError):
        checkpoints.save(lab, provider, "a", quiet())
    # The provider has one of the name on every machine, but nobody knows of which moment.
    assert list(checkpoints.listed(lab, provider)) == ["by-hand", "b"]
    provider.fails = ""
    checkpoints.forget(lab, provider, "a")
    assert "a" not in checkpoint_notes.noted(lab)


def test_a_restoring_that_was_cut_off_is_resumed(lab: Lab, provider: Playing) -> None:
    checkpoints.save(lab, provider, "a", quiet())
    provider.fails = "cut off"
    with pytest.raises(MachineError):
        checkpoints.restore(lab, provider, "a", quiet())
    provider.fails = ""
    assert journal(lab).exists()
    checkpoints.finish_interrupted(lab, provider, quiet())
    assert provider.did == ["save a", "restore a"]
    assert not journal(lab).exists()
    checkpoints.finish_interrupted(lab, provider, quiet())
    assert provider.did == ["save a", "restore a"]


def test_a_restoring_of_what_is_gone_by_now_stops_no_up(lab: Lab, provider: Playing) -> None:
    journal(lab).write_text('{"name": "gone"}')
    checkpoints.finish_interrupted(lab, provider, quiet())
    assert not journal(lab).exists()
    journal(lab).write_text("half a ")
    checkpoints.finish_interrupted(lab, provider, quiet())
    assert not journal(lab).exists()


def test_what_up_had_brought_up_comes_back_with_the_machines(lab: Lab, provider: Playing) -> None:
    checkpoints.save(lab, provider, "a", quiet())
    (lab.state / "ready.json").write_text('{"provider": "playing", "image": "another"}')
    lab.files.faults.write_text("{}")
    checkpoints.restore(lab, provider, "a", quiet())
    assert running.ready(lab).image == "i"
    # Faults that were there are gone with the machines as they were.
    assert not lab.files.faults.exists()


def test_rebuild_restores_ready_and_says_why_where_it_recreates(
    lab: Lab, provider: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "up", lambda _lab, progress: provider.up(progress))
    checkpoints.save(lab, provider, "ready", quiet())
    provider.did.clear()
    rebuild.rebuild(lab, quiet())
    assert provider.did == ["restore ready"]
    assert lab.state.exists()

    printed = io.StringIO()
    rebuild.rebuild(lab, quiet(printed), cold=True)
    assert provider.did == ["restore ready", "destroy", "up"]
    assert "recreating the lab: --cold" in printed.getvalue()
    rebuild.rebuild(lab, quiet(printed))
    assert "recreating the lab: no checkpoint 'ready' was saved" in printed.getvalue()


def test_a_checkpoint_that_is_not_there_is_reported_with_those_that_are(
    lab: Lab, provider: Playing
) -> None:
    checkpoints.save(lab, provider, "a", quiet())
    with pytest.raises(UserError, match="has no checkpoint 'b'") as caught:
        checkpoints.restore_checkpoint(lab, "b", quiet())
    assert "There are: a." in caught.value.advice
    with pytest.raises(UserError, match="has no checkpoint 'b'"):
        checkpoints.delete_checkpoint(lab, "b")


def test_hosts_that_exist_say_that_they_cannot(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        'provider = "hosts"\n[[machines]]\nname = "a"\naddress = "192.0.2.1"\n'
        '[[machines]]\nname = "b"\naddress = "192.0.2.2"\n'
    )
    lab = load.load(tmp_path / "lab.toml")
    with pytest.raises(UserError, match="not its own"):
        checkpoints.listed(lab, HostsProvider(lab))


def test_a_lab_that_is_gone_leaves_no_folder_and_one_that_is_held_keeps_it(lab: Lab) -> None:
    printed = io.StringIO()
    destroy.destroy(lab, quiet(printed))
    assert not lab.state.parent.exists()
    # What other labs use too stays, and is named.
    assert "kept: a box" in printed.getvalue()
