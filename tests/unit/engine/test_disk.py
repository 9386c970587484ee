"""The root file system of a machine with a larger disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.engine import disk
from provision.support.errors import MachineError
from tests.unit.engine.shell_machine import ShellMachine

GIB = 2 * 1024 * 1024


class Disk(ShellMachine):
    """A disk "vda" whose first partition is the root file system's; tools are noted in `calls`."""

    def __init__(self, root: Path, size: int, part: int, filled: int, kind: str = "ext4") -> None:
        super().__init__(root)
        self.plan = SimpleNamespace(disk=size // GIB)
        self.device = root / "devices" / "vda"
        self.partition("vda1", 2048, part)
        (self.device / "size").write_text(f"{size}\n")
        (root / "block" / "vda").symlink_to(self.device)
        self.program("findmnt", f'case "$*" in *SOURCE*) echo /dev/vda1 ;; *) echo {kind} ;; esac')
        self.program("df", f"echo 512B-blocks; echo {filled}")
        for name in ("growpart", "sfdisk", "partx", "resize2fs", "xfs_growfs"):
            self.program(name, f'echo "{name} $*" >> "$ROOT/calls"')

    def partition(self, name: str, start: int, size: int) -> None:
        folder = self.device / name
        folder.mkdir(parents=True)
        for file, value in (("partition", name[-1]), ("start", start), ("size", size)):
            (folder / file).write_text(f"{value}\n")
        (self.root / "block").mkdir(exist_ok=True)
        (self.root / "block" / name).symlink_to(folder)

    def feed(self, command: str, *rest: Any, **more: Any) -> Any:
        return super().feed(command.replace("/sys/class/block", f"{self.root}/block"), *rest)

    @property
    def calls(self) -> list[str]:
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []


def grow(made: Any) -> list[str]:
    for change in disk.plan(made):
        disk.apply(made, change)
    return list(made.calls)


def test_a_partition_with_room_behind_it_and_its_file_system_grow(tmp_path: Path) -> None:
    made = Disk(tmp_path, 20 * GIB, 8 * GIB - 2048, 8 * GIB - 4096)
    assert grow(made) == ["growpart /dev/vda 1", "resize2fs /dev/vda1"]


def test_without_growpart_sfdisk_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Disk(tmp_path, 20 * GIB, 8 * GIB, 8 * GIB)
    (tmp_path / "bin" / "growpart").unlink()
    assert grow(made) == [
        "sfdisk -q --no-reread -N 1 /dev/vda",
        "partx -u --nr 1 /dev/vda",
        "resize2fs /dev/vda1",
    ]


def test_a_file_system_that_was_cut_off_grows_alone(tmp_path: Path) -> None:
    assert grow(Disk(tmp_path, 20 * GIB, 20 * GIB - 2048, 8 * GIB, "xfs")) == ["xfs_growfs /"]


def test_what_fills_its_disk_is_left(tmp_path: Path) -> None:
    made: Any = Disk(tmp_path, 20 * GIB, 20 * GIB - 2048, 19 * GIB)
    assert disk.plan(made) == []
    made.plan = SimpleNamespace(disk=None)
    made.commands.clear()
    assert disk.plan(made) == []
    assert made.commands == []


def test_what_cannot_grow_is_told(tmp_path: Path) -> None:
    made = Disk(tmp_path, 20 * GIB, 8 * GIB, 8 * GIB)
    made.partition("vda2", 9 * GIB, GIB)
    with pytest.raises(MachineError, match="another partition lies behind"):
        grow(made)
    assert made.calls == []
    made.program("findmnt", "echo /dev/dm-0")
    with pytest.raises(MachineError, match="its root file system is in dm-0, which is no part"):
        grow(made)
