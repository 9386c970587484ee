"""A lab's state folder: the name of every file in it, and what `up` recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ready:
    """What `up` has brought up; kept in the lab's state as ready.json."""

    provider: str
    image: str
    notes: list[str] = field(default_factory=list)
    engines: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabState:
    """The files below `.swarmrig/<lab>/`, by what they hold."""

    folder: Path

    # -- the definition -----------------------------------------------------------------------

    @property
    def applied(self) -> Path:
        """The lab.toml that the machines were last brought up with. It can hold secrets."""
        return self.folder / "lab.toml"

    @property
    def pending(self) -> Path:
        """The lab.toml of an `up` that has begun and has not finished. It can hold secrets."""
        return self.folder / "pending.toml"

    @property
    def addresses(self) -> Path:
        """The addresses that were assigned to machines without one in lab.toml."""
        return self.folder / "addresses.json"

    @property
    def definitions(self) -> list[Path]:
        """The kept definitions that exist, the applied one first."""
        return [path for path in (self.applied, self.pending) if path.exists()]

    # -- what `up` made -----------------------------------------------------------------------

    @property
    def plan(self) -> Path:
        """The provider, box and driver that were chosen for virtual machines."""
        return self.folder / "plan.json"

    @property
    def ready(self) -> Path:
        """What the last `up` brought up (`Ready`)."""
        return self.folder / "ready.json"

    @property
    def journal(self) -> Path:
        """What was changed on existing hosts."""
        return self.folder / "journal.json"

    @property
    def faults(self) -> Path:
        """The faults that were made on machines of the lab's own, as in the journal."""
        return self.folder / "faults.json"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def exercises(self) -> Path:
        """How far exercises have come that are typed by hand, a folder each."""
        return self.folder / "exercises"

    @property
    def puzzle(self) -> Path:
        """The puzzle that is on: what was planted, and how far it is solved."""
        return self.folder / "puzzle.json"

    # -- checkpoints --------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints' notes."""
        return self.folder / "checkpoints"

    @property
    def restoring(self) -> Path:
        """The checkpoint that is being restored, until that is complete."""
        return self.folder / "restoring.json"

    # -- Vagrant ------------------------------------------------------------------------------

    @property
    def vagrantfile(self) -> Path:
        return self.folder / "Vagrantfile"

    @property
    def vagrant(self) -> Path:
        """Vagrant's own folder (VAGRANT_DOTFILE_PATH)."""
        return self.folder / "vagrant"

    @property
    def vagrant_log(self) -> Path:
        return self.folder / "vagrant.log"

    @property
    def vagrant_process(self) -> Path:
        """The Vagrant process that is running."""
        return self.folder / "vagrant.process.json"

    def machines(self) -> list[str]:
        """The machines that Vagrant has made and not destroyed, by name."""
        return sorted({path.parent.parent.name for path in self.vagrant.glob("machines/*/*/id")})

    # -- the lab's own scripts ----------------------------------------------------------------

    @property
    def scripts(self) -> Path:
        """The folder with the output of the lab's own scripts."""
        return self.folder / "scripts"

    # -- the lock -----------------------------------------------------------------------------

    @property
    def lock(self) -> Path:
        return self.folder / "lab.lock"

    @property
    def holder(self) -> Path:
        """The command that holds the lock."""
        return self.folder / "holder.json"
