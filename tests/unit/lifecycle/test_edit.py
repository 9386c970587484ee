"""An edited lab.toml on a lab of virtual machines that exists, over a provider that is faked."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.cli.lab import _lab_to_destroy
from provision.lab import load, lockfile
from provision.lab.lockfile import Entry, Image
from provision.lab.model import Lab
from provision.lab.state import Ready
from provision.lifecycle import (
    applied,
    checkpoint_notes,
    checkpoints,
    destroy,
    dry_run,
    edit,
    lock,
    revert,
    running,
    up,
)
from provision.providers import select
from provision.providers.base import MachineState
from provision.providers.existing import HostsProvider
from provision.providers.vagrant import plan
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress
from provision.swarm import converge
from tests.support.progress import quiet
from tests.unit.lifecycle.test_checkpoints import Playing

TWO = '[[machines]]\nname = "a"\n[[machines]]\nname = "b"\n'
THREE = f'{TWO}[[machines]]\nname = "c"\n'
HOSTS = """
provider = "hosts"
[[machines]]
name = "a"
address = "192.0.2.1"
[[machines]]
name = "b"
address = "192.0.2.2"
"""


class Machines(Playing):
    """Makes the machines of the lab it is for, as Vagrant notes them in its folder."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.lab = lab
        self.ids = {machine.name: machine.name for machine in lab.machines}

    def stays(self) -> list[str]:
        return []

    def up(self, progress: Progress) -> None:
        for machine in self.lab.machines:
            file = self.lab.files.vagrant / "machines" / machine.name / "virtualbox" / "id"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(machine.name)
        self.lab.files.plan.write_text("{}")
        self._do("up")

    def remove(self, names: list[str], progress: Progress) -> list[str]:
        for name in names:
            (self.lab.files.vagrant / "machines" / name / "virtualbox" / "id").unlink(
                missing_ok=True
            )
        return super().remove(names, progress)

    def states(self) -> dict[str, MachineState]:
        made = self.lab.files.machines()
        return {name: "running" if name in made else "absent" for name in self.ids}


class Rig:
    """A folder with a lab.toml, its provider, and what was done."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.provider: Machines | None = None
        self.did: list[str] = []
        self.fails = ""
        self.said = io.StringIO()
        monkeypatch.setattr(select, "of_state", self.of_state)
        monkeypatch.setattr(select, "choose", lambda lab, *_: (self.of(lab), []))
        monkeypatch.setattr(up, "_provision", self.provision)
        monkeypatch.setattr(lock, "with_tools", lambda entry, _: entry)
        monkeypatch.setattr(converge, "converge", lambda *_: None)

        @contextlib.contextmanager
        def nobody(*_: object) -> Iterator[dict[str, object]]:
            yield {}

        for module in (checkpoints, edit):
            monkeypatch.setattr(module, "connected", nobody)

    def of(self, lab: Lab) -> Machines:
        made = Machines(lab)
        made.did = self.did
        made.kept = self.provider.kept if self.provider else []
        made.fails = self.fails
        self.provider = made
        return made

    def of_state(self, lab: Lab) -> Machines | HostsProvider | None:
        if lab.files.plan.exists():
            return self.of(lab)
        return HostsProvider(lab) if lab.provider == "hosts" else None

    def provision(self, lab: Lab, *_: Any) -> Ready:
        entry = Entry(lockfile.asked(lab), None, {}, Image("i", "1", ""))
        made = {**entry.__dict__, "image": entry.image.__dict__}
        return Ready("playing", "i", [], {}, made)

    def lab(self, text: str) -> Lab:
        (self.folder / "lab.toml").write_text(text)
        return load.load(self.folder / "lab.toml")

    def up(self, text: str) -> Lab:
        lab = self.lab(text)
        self.did.clear()
        up.up(lab, quiet(self.said))
        return lab


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    return Rig(tmp_path, monkeypatch)


def test_more_memory_restarts_that_machine_alone_and_says_so_before(rig: Rig) -> None:
    rig.up(TWO)
    rig.up(f"{TWO}memory = 2048\n")
    assert rig.did == ["restart b", "up", "save ready"]
    said = "changed in lab.toml: b: memory 1024 → 2048: applied by restarting the machine"
    assert said in rig.said.getvalue()
    rig.up(f"{TWO}memory = 2048\n")
    assert rig.did == ["up"]


def test_a_removed_machine_is_removed_and_an_added_one_made(rig: Rig) -> None:
    first = rig.up(THREE)
    second = rig.up('[[machines]]\nname = "a"\n[[machines]]\nname = "c"\n')
    assert rig.did == ["remove b", "up", "save ready"]
    assert second.machine("c").address == first.machine("c").address
    assert second.files.machines() == ["a", "c"]
    rig.up(THREE)
    assert rig.did == ["up", "save ready"]
    assert "changed in lab.toml: b: added to the lab" in rig.said.getvalue()


def test_a_machine_that_no_definition_knows_any_more_is_removed(rig: Rig) -> None:
    lab = rig.up(TWO)
    file = lab.files.vagrant / "machines" / "lost" / "virtualbox" / "id"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    rig.up(TWO)
    assert rig.did[:2] == ["remove lost", "up"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'box = "other/box"\n{TWO}', "box auto → other/box"),
        (f'{TWO}[network]\nsubnet = "10.9.0.0/24"\n', "network.subnet 192.168.56.0/24 → 10.9"),
        (f'provider = "vmware_desktop"\n{TWO}', "provider playing → vmware_desktop"),
        (f'{TWO}address = "192.168.56.40"\n', "b: address 192.168.56.12 → 192.168.56.40"),
    ],
)
def test_what_needs_a_new_lab_is_refused_and_nothing_is_changed(
    rig: Rig, text: str, said: str
) -> None:
    lab = rig.up(TWO)
    before = {path: path.read_bytes() for path in lab.state.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        rig.up(text)
    assert said in str(caught.value)
    assert "inv rebuild --cold" in caught.value.advice
    assert rig.did == []
    assert before == {path: path.read_bytes() for path in lab.state.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="needs the lab to be recreated"):
        dry_run.dry_run(load.load(lab.file), quiet())


def test_an_up_that_was_interrupted_has_not_applied_its_definition(rig: Rig) -> None:
    rig.up(TWO)
    rig.fails = "cut off"
    with pytest.raises(MachineError):
        rig.up(f"{TWO}memory = 2048\n")
    rig.fails = ""
    lab = load.load(rig.folder / "lab.toml")
    assert applied.current(lab).machine("b").memory == 1024
    # The machine may or may not have been restarted: whatever comes now restarts it.
    rig.up(TWO)
    assert rig.did[0] == "restart b"
    assert not lab.files.pending.exists()


def test_a_box_that_was_corrected_before_anything_was_made_gets_a_new_plan(rig: Rig) -> None:
    rig.fails = "no such box"
    with pytest.raises(MachineError):
        rig.up(f'box = "a/typo"\n{TWO}')
    rig.fails = ""
    lab = load.load(rig.folder / "lab.toml")
    for machine in lab.files.machines():
        (lab.files.vagrant / "machines" / machine / "virtualbox" / "id").unlink()
    rig.up(f'box = "a/box"\n{TWO}')
    assert rig.did == ["up", "save ready"]


def test_a_checkpoint_is_of_the_definition_that_was_applied(rig: Rig) -> None:
    first = rig.up(TWO)
    stamp = checkpoint_notes.fingerprint(first)
    edited = rig.lab(f"{TWO}memory = 2048\n")
    checkpoints.save_checkpoint(edited, "mine", quiet())
    notes = checkpoint_notes.noted(edited)
    assert {name: note.lab for name, note in notes.items()} == {"mine": stamp, "ready": stamp}
    rig.up(f"{TWO}memory = 2048\n")
    checkpoints.restore_checkpoint(edited, "mine", quiet())
    # The machines have their old memory again, and the next `up` knows it.
    assert applied.current(edited).machine("b").memory == 1024
    rig.up(f"{TWO}memory = 2048\n")
    assert rig.did[0] == "restart b"


def test_a_machine_that_a_restored_checkpoint_still_has_in_its_swarm_is_removed(rig: Rig) -> None:
    rig.up(THREE)
    checkpoints.save_checkpoint(load.load(rig.folder / "lab.toml"), "mine", quiet())
    lab = rig.up(TWO)
    checkpoints.restore_checkpoint(lab, "mine", quiet())
    assert [machine.name for machine in applied.current(lab).machines] == ["a", "b", "c"]
    rig.up(TWO)
    assert rig.did[:2] == ["remove c", "up"]
    assert [machine.name for machine in applied.current(lab).machines] == ["a", "b"]


def test_a_report_is_of_the_definition_that_was_applied(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def nobody(*_: object) -> Iterator[dict[str, object]]:
        yield {}

    monkeypatch.setattr(running, "connected", nobody)
    rig.up(TWO)
    edited = rig.lab(f'{THREE}memory = 4096\n[weave]\npassword = "x"\n')
    with running.opened(edited, "scenario") as opened:
        assert [machine.name for machine in opened.lab.machines] == ["a", "b"]
        # What the scenario applies itself is taken from lab.toml.
        assert opened.lab.weave == edited.weave


def test_a_dry_run_shows_the_differences_of_virtual_machines(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "preview", lambda *_: "preview")
    rig.up(TWO)
    text = dry_run.dry_run(rig.lab(f'{TWO}cpus = 2\n[[machines]]\nname = "c"\n'), quiet())
    assert text.splitlines()[:2] == [
        "changed in lab.toml: b: cpus 1 → 2: applied by restarting the machine",
        "changed in lab.toml: c: added to the lab: brought up and joined to the swarm",
    ]
    assert rig.did == ["up", "save ready"]


def test_a_machine_that_cannot_be_drained_is_removed_and_that_is_said(rig: Rig) -> None:
    rig.up(THREE)
    rig.up(TWO)
    said = rig.said.getvalue()
    assert "c: removed without being drained, for no manager of the lab's swarm answers" in said
    assert "b: removed" not in said


def test_a_manager_of_a_swarm_that_does_not_answer_is_removed_only_with_the_flag(
    rig: Rig,
) -> None:
    rig.up(THREE)
    text = '[[machines]]\nname = "b"\n[[machines]]\nname = "c"\n'
    with pytest.raises(MachineError, match="a: not removed, for no manager") as caught:
        rig.up(text)
    assert "inv up --recover-swarm" in caught.value.advice
    assert rig.did == []
    up.up(rig.lab(text), quiet(rig.said), recover_swarm=True)
    assert rig.did[:2] == ["remove a", "up"]


def test_where_no_swarm_was_formed_yet_nothing_is_lost_by_removing_a_manager(rig: Rig) -> None:
    lab = rig.up(THREE)
    lab.files.ready.unlink()
    rig.up('[[machines]]\nname = "b"\n[[machines]]\nname = "c"\n')
    assert rig.did[:2] == ["remove a", "up"]
    assert "without being drained" not in rig.said.getvalue()


# -- another provider -------------------------------------------------------------------------


def test_virtual_machines_are_destroyed_though_lab_toml_has_hosts_now(rig: Rig) -> None:
    rig.up(TWO)
    edited = rig.lab(HOSTS)
    with pytest.raises(UserError, match=r"of virtual machines, and lab.toml has provider \"hosts"):
        up.up(edited, quiet())
    assert edited.files.plan.exists()
    rig.did.clear()
    destroy.destroy(edited, quiet())
    assert rig.did == ["destroy"]
    assert not edited.state.exists()


def test_what_was_done_to_hosts_is_kept_though_lab_toml_has_virtual_machines_now(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = rig.lab(HOSTS)
    lab.state.mkdir(parents=True)
    lab.files.applied.write_text(HOSTS)
    entry = {"kind": "packages", "what": "install Docker", "items": [], "state": "done"}
    lab.files.journal.write_text(json.dumps({"hosts": {"a": [entry]}}))
    edited = rig.lab(TWO)
    with pytest.raises(UserError, match="made on existing hosts") as caught:
        up.up(edited, quiet())
    assert "inv destroy" in caught.value.advice
    seen: list[str] = []

    def undo(lab: Lab, *_: object) -> list[str]:
        seen.append(lab.provider)
        return []

    monkeypatch.setattr(revert, "revert", undo)
    destroy.destroy(edited, quiet())
    assert seen == ["hosts"]
    assert edited.files.journal.exists()


def test_hosts_that_nothing_describes_any_more_keep_their_journal(rig: Rig) -> None:
    lab = rig.lab(TWO)
    lab.state.mkdir(parents=True)
    entry = {"kind": "image", "what": "load an image", "items": ["i"], "state": "done"}
    lab.files.journal.write_text(json.dumps({"hosts": {"a": [entry]}}))
    with pytest.raises(UserError, match="nothing says how to reach them"):
        destroy.destroy(lab, quiet())
    assert lab.files.journal.exists()


def test_destroy_removes_a_machine_that_lab_toml_no_longer_has(rig: Rig) -> None:
    rig.up(THREE)
    edited = rig.lab(TWO)
    destroy.destroy(edited, quiet())
    assert rig.provider is not None
    assert [machine.name for machine in rig.provider.lab.machines] == ["a", "b", "c"]


def test_an_up_that_was_interrupted_can_be_destroyed_though_lab_toml_is_gone(rig: Rig) -> None:
    rig.fails = "cut off"
    with pytest.raises(MachineError):
        rig.up('name = "mine"\n' + THREE)
    (rig.folder / "lab.toml").unlink()
    lab = _lab_to_destroy(rig.folder / "lab.toml", "")
    assert (lab.name, [machine.name for machine in lab.machines]) == ("mine", ["a", "b", "c"])


def test_the_lock_file_is_read_once_in_an_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.up(TWO)
    reads: list[Path] = []
    real = Path.read_text

    def read_text(path: Path, *more: Any, **named: Any) -> str:
        if path.name == lockfile.NAME:
            reads.append(path)
        return real(path, *more, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    rig.up(TWO)
    assert len(reads) == 1
